"""`./orders up`: start everything, in the foreground or behind this process, and tell the user what happens until it is ready."""

import math
import subprocess
import sys
import threading
import time
from typing import Annotated, Any

import typer

from infra.process.settings import Settings
from order_service.progress import new_progress
from order_service.stack.folder import RUNS_ALREADY, StackFolder
from order_service.stack.record import ScaleRequest, guests, read_record, request_scale
from order_service.stack.status import read_status, render, render_urls
from order_service.terminal import table
from tools.local_stack.embedded.jars import JarsUnavailable, fetch_jars, missing_jars, read_lock
from tools.local_stack.end import end_stack
from tools.local_stack.log_files import LogFollower, logs_of, put_aside
from tools.local_stack.ports import claims, conflicts
from tools.local_stack.process import last_lines

_READY_S = 90.0
_REMIND_S = 10.0
_ORDER = """curl -i -X POST {http}/orders -H 'content-type: application/json' \\
    -d '{{"customer_id":"ada","currency":"EUR","lines":[{{"sku":"tea","quantity":2,"unit_price":"4.50"}}]}}'"""


def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all is ready; everything goes on in the background")] = False,
    brokers: Annotated[int | None, typer.Option(min=1, max=3, help="Embedded brokers, 1 or 3; fixed once there are data")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Workers of order_aggregate and of projections each; default 1")
    ] = None,
) -> None:
    """Start everything. On a running stack: show it, and change the number of workers if --workers says so."""
    if brokers == 2:
        _stop_with("--brokers is 1 or 3: two brokers can't outvote each other", 2)
    settings = Settings()
    folder = StackFolder(settings.home)
    if folder.is_held():
        _show_running(settings, folder, workers)
        return
    if folder.record.exists() or guests(folder):
        sys.stdout.write(f"an earlier run was killed: {end_stack(folder)}\n")
    if problems := conflicts(claims(settings)):
        _stop_with("\n".join(problems), 1)
    folder.create()
    if not settings.kafka_bootstrap_servers:
        _fetch(settings)
    if detach:
        raise typer.Exit(_detached(settings, folder, brokers, workers or 1))
    raise typer.Exit(_in_foreground(settings, folder, brokers, workers or 1))


def _stop_with(message: str, code: int) -> None:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(code)


def _show_running(settings: Settings, folder: StackFolder, workers: int | None) -> None:
    record = read_record(folder)
    if record and workers and workers != record.workers:
        request_scale(folder, ScaleRequest(workers=workers))
        sys.stdout.write(f"running already; workers of each kind: {record.workers}, from now on {workers}\n")
    else:
        sys.stdout.write("running already\n")
    sys.stdout.write(render(read_status(settings)))


def _fetch(settings: Settings) -> None:
    """Fetch the jars and show the progress, before anything starts."""
    lock = read_lock()
    missing = missing_jars(settings.jar_folder, lock)
    if not missing:
        return
    megabytes = sum(jar.size for jar in missing) / 1e6
    sys.stdout.write(f"fetching Apache Kafka, once: {len(missing)} files, {megabytes:.1f} MB, to {settings.jar_folder}\n")
    try:
        with new_progress(sys.stdout, every_s=math.inf) as shown:

            def told(done: int, total: int) -> None:
                quarter = str(4 * done // total or "")
                shown.show(f"  {done / 1e6:.0f} of {total / 1e6:.0f} MB", done, total, phase=quarter)

            fetch_jars(settings.jar_folder, repository_url=settings.maven_repository_url, lock=lock, progress=told)
    except JarsUnavailable as error:
        _stop_with(str(error), 1)


def _detached(settings: Settings, folder: StackFolder, brokers: int | None, workers: int) -> int:
    supervisor = start_detached(folder, brokers=brokers, workers=workers)
    if not wait_until_ready(settings, folder, supervisor):
        return 1
    sys.stdout.write(welcome(read_status(settings)))
    return 0


def _in_foreground(settings: Settings, folder: StackFolder, brokers: int | None, workers: int) -> int:
    from tools.local_stack.supervise import supervise  # noqa: PLC0415 the servers' clients, which `up --detach` leaves to another process

    stop, printed = threading.Event(), threading.Event()
    sys.stdout.write(f"starting; Ctrl-C stops everything, logs are in {folder.logs}\n")
    follower = LogFollower(lambda: logs_of(folder.logs))
    # The thread is not waited for long, so that a terminal that stands still holds up nothing else.
    printer = threading.Thread(target=follower.follow, args=(printed,), daemon=True)
    greeter = threading.Thread(target=_greet, args=(settings, stop), daemon=True)
    printer.start()
    greeter.start()
    code = supervise(settings, brokers=brokers, workers=workers, stop=stop)
    printed.set()
    printer.join(1.0)
    return code


def _greet(settings: Settings, stop: threading.Event) -> None:
    while not stop.wait(0.3):
        status = read_status(settings)
        if status["ready"]:
            sys.stdout.write(welcome(status))
            sys.stdout.flush()
            return


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
    """Tell what starts and what is waited for, until all is ready; False when it never is, after telling the reason."""
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
    """The parts that do not run; while servers are away only the servers, since services wait for them."""
    away = {name: service["detail"] or service["state"] for name, service in status["services"].items() if service["state"] != "running"}
    servers = {name: reason for name, reason in away.items() if name in {"kafka", "postgres"}}
    return [f"{name} ({reason})" for name, reason in (servers or away).items()]


def _tell_what_is_missing(folder: StackFolder, status: dict[str, Any], timeout_s: float) -> None:
    sys.stderr.write(f"not ready after {timeout_s:.0f} s; it goes on trying, `./orders down` ends it\n\n{render(status)}\n")
    for name, service in status["services"].items():
        log = folder.logs / f"{name}.log"
        if service["state"] != "running" and log.exists():
            sys.stderr.write(f"the last lines of {log}:\n{last_lines(log)}\n\n")
