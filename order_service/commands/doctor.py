"""`./orders doctor`: what is missing or wrong, one line each."""

import os
import platform
import sys
from collections.abc import Iterator

import typer

from infra.process.settings import Settings
from order_service.checkout import checkout_module
from order_service.findings import Finding, lag_findings, server_findings, service_findings
from order_service.stack.folder import StackFolder
from order_service.stack.record import read_record
from order_service.stack.running import stack_settings
from order_service.stack.status import read_status

_COLOURS = {"ok": 32, "warn": 33, "fail": 31}


def doctor() -> None:
    """Check the machine, the stack, and the servers that it stands on, one line each. Exits 1 when something is wrong."""
    settings = Settings()
    wrong = False
    for finding in _findings(settings, StackFolder(settings.home)):
        sys.stdout.write(_line(finding))
        sys.stdout.flush()
        wrong = wrong or finding.verdict == "fail"
    raise typer.Exit(1 if wrong else 0)


def _findings(settings: Settings, folder: StackFolder) -> Iterator[Finding]:
    """Only a checkout can start a stack: an installed package is asked neither for ports nor for what the embedded servers need."""
    yield Finding("ok", "Python", f"{platform.python_version()}, {sys.executable}")
    local_stack = checkout_module("tools.local_stack.machine_findings")
    if local_stack:
        yield from local_stack.machine_findings(settings, folder)
    status = read_status(settings)
    runs = folder.is_held() and read_record(folder) is not None
    if runs:
        yield from service_findings(status)
        settings = stack_settings()
    elif local_stack:
        yield Finding("warn", "services", f"nothing runs in {folder.home}: `./orders up` starts it")
    yield from server_findings(settings, embedded=local_stack is not None)
    if runs:
        yield from lag_findings(settings, status)


def _line(finding: Finding) -> str:
    verdict = f"{finding.verdict:4}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        verdict = f"\x1b[{_COLOURS[finding.verdict]}m{verdict}\x1b[0m"
    return f"{verdict}  {finding.subject:15}  {finding.words}\n"
