"""Is this machine fit to run the stack? Each finding in plain words."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator

import psutil

from infra.process.settings import Settings
from order_service.doctor.finding import Finding
from order_service.stack.addresses import claims, conflicts
from order_service.stack.folder import StackFolder

_MEMORY = 1.5 * 2**30
"""Bytes that one broker, PostgreSQL and all services need together."""
_DISK = 2 * 2**30


def machine_findings(settings: Settings, folder: StackFolder) -> Iterator[Finding]:
    """What the stack needs of the machine, whether or not it runs."""
    yield Finding("ok", "Python", f"{platform.python_version()}, {sys.executable}")
    runs = folder.is_held()
    yield _memory(runs)
    yield _disk(folder)
    yield from _ports(settings, runs)


def _memory(runs: bool) -> Finding:
    available = psutil.virtual_memory().available
    words = f"{available / 2**30:.1f} GiB available"
    if runs or available >= _MEMORY:
        return Finding("ok", "memory", words)
    return Finding("warn", "memory", f"{words}; everything together takes up to {_MEMORY / 2**30:.1f} GiB")


def _disk(folder: StackFolder) -> Finding:
    place = next(path for path in (folder.home, *folder.home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    words = f"{free / 2**30:.1f} GiB free at {place}"
    if not os.access(place, os.W_OK):
        return Finding("fail", "disk", f"{place} can't be written: choose another folder with ORDERS_HOME")
    return Finding("ok" if free >= _DISK else "warn", "disk", words if free >= _DISK else f"{words}; Kafka stops when the disk is full")


def _ports(settings: Settings, runs: bool) -> Iterator[Finding]:
    wanted = claims(settings)
    if runs:
        yield Finding("ok", "ports", f"{', '.join(str(claim.port) for claim in wanted)}: this stack's")
    elif problems := conflicts(wanted):
        yield from (Finding("fail", "ports", problem) for problem in problems)
    else:
        yield Finding("ok", "ports", f"{', '.join(str(claim.port) for claim in wanted)} are free")
