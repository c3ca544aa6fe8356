"""Start a stack behind this process, and tell its user what happens until it is ready."""

import subprocess
import sys
import time
from typing import Any

from infra.process.settings import Settings
from order_service.plain_table import table
from order_service.stack.folder import RUNS_ALREADY, StackFolder
from order_service.stack.status import read_status, render, render_urls
from tools.local_stack.embedded.server_process import last_lines
from tools.local_stack.log_files import put_aside

_READY_S = 90.0
_REMIND_S = 10.0

_ORDER = """curl -i -X POST {http}/orders -H 'content-type: application/json' \\
    -d '{{"customer_id":"ada","currency":"EUR","lines":[{{"sku":"tea","quantity":2,"unit_price":"4.50"}}]}}'"""


def start_detached(folder: StackFolder, *, brokers: int | None, workers: int) -> subprocess.Popen[bytes]:
    """Start the supervisor in a session of its own, so that it outlives this terminal."""
    command = [sys.executable, "-P", "-m", "tools.local_stack.supervise", "--workers", str(workers)]
    put_aside(folder.logs / "supervisor.log")
    with (folder.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 our own module
            [*command, *(["--brokers", str(brokers)] if brokers else [])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until_ready(settings: Settings, folder: StackFolder, supervisor: subprocess.Popen[bytes], timeout_s: float = _READY_S) -> bool:
    """Tell what starts and what is waited for, until all is ready; False when it does not come to that, with the reason told."""
    began = told_at = time.monotonic()
    running: set[str] = set()
    while True:
        time.sleep(0.1)
        status = read_status(settings)
        now = time.monotonic()
        for name, service in status["services"].items():
            if service["state"] == "running" and name not in running:
                running.add(name)
                sys.stdout.write(f"  {name} runs ({now - began:.1f} s)\n")
                sys.stdout.flush()
                told_at = now
        if status["ready"]:
            return True
        if supervisor.poll() not in {None, RUNS_ALREADY}:
            log = folder.logs / "supervisor.log"
            what = "was stopped before all was ready" if supervisor.returncode == 0 else "did not start"
            sys.stderr.write(f"{what}. The last lines of {log}:\n{last_lines(log)}\n")
            return False
        if now - began > timeout_s:
            _tell_what_is_missing(folder, status, timeout_s)
            return False
        if now - told_at > _REMIND_S:
            told_at = now
            sys.stdout.write(f"  waiting for {', '.join(_missing(status))}\n")
            sys.stdout.flush()


def welcome(status: dict[str, Any]) -> str:
    """Where everything is, and what to do next."""
    commands = [
        [_ORDER.format(http=status["urls"]["http"]), ""],
        ["./orders submit examples/cdnow_sample.ndjson.gz", "6,919 real orders"],
        ["./orders tail", "the live feed"],
        ["./orders status", "what runs"],
        ["./orders down", "stop; the data stay"],
    ]
    first, *others = commands
    return f"\nready\n\n{render_urls(status['urls'])}\nnext\n\n  {first[0]}\n{table(others)}"


def _missing(status: dict[str, Any]) -> list[str]:
    """What does not run; while servers are away only those, since services wait for them."""
    away = {name: service["detail"] or service["state"] for name, service in status["services"].items() if service["state"] != "running"}
    servers = {name: reason for name, reason in away.items() if name in {"kafka", "postgres"}}
    return [f"{name} ({reason})" for name, reason in (servers or away).items()]


def _tell_what_is_missing(folder: StackFolder, status: dict[str, Any], timeout_s: float) -> None:
    sys.stderr.write(f"not ready after {timeout_s:.0f} s; it goes on trying, `./orders down` ends it\n\n{render(status)}\n")
    for name, service in status["services"].items():
        log = folder.logs / f"{name}.log"
        if service["state"] != "running" and log.exists():
            sys.stderr.write(f"the last lines of {log}:\n{last_lines(log)}\n\n")
