"""`./orders doctor`."""

import os
import sys
from collections.abc import Iterable

import typer

from infra.process.settings import Settings
from order_service.checkout import checkout_module
from order_service.doctor.finding import Finding
from order_service.doctor.machine import machine_findings
from order_service.doctor.stack import stack_findings
from order_service.stack.folder import StackFolder

_COLOURS = {"ok": 32, "warn": 33, "fail": 31}


def doctor() -> None:
    """Check the machine and the stack, one line each. Exits 1 when something is wrong."""
    settings = Settings()
    folder = StackFolder(settings.home)
    wrong = False
    for findings in (machine_findings, _embedded_findings, stack_findings):
        for finding in findings(settings, folder):
            sys.stdout.write(_line(finding))
            sys.stdout.flush()
            wrong = wrong or finding.verdict == "fail"
    raise typer.Exit(1 if wrong else 0)


def _embedded_findings(settings: Settings, _folder: StackFolder) -> Iterable[Finding]:
    servers = checkout_module("tools.local_stack.machine_findings")
    return servers.embedded_findings(settings) if servers else ()


def _line(finding: Finding) -> str:
    verdict = f"{finding.verdict:4}"
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        verdict = f"\x1b[{_COLOURS[finding.verdict]}m{verdict}\x1b[0m"
    return f"{verdict}  {finding.subject:15}  {finding.words}\n"
