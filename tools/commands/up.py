"""`./orders up`."""

import sys
import threading
from typing import Annotated

import typer

from infra.process.settings import Settings
from order_service.stack.addresses import claims, conflicts
from order_service.stack.folder import StackFolder
from order_service.stack.leftovers import guests
from order_service.stack.record import ScaleRequest, read_record, request_scale
from order_service.stack.status import read_status, render
from tools.local_stack.embedded.jar_lock import read_lock
from tools.local_stack.embedded.jars import JarsUnavailable, fetch_jars, missing_jars
from tools.local_stack.end import end_stack
from tools.local_stack.fetch_progress import FetchProgress
from tools.local_stack.log_files import LogFollower, logs_of
from tools.local_stack.start import start_detached, wait_until_ready, welcome


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
    """Bring the jars here, in sight of the user, before anything starts."""
    lock = read_lock()
    missing = missing_jars(settings.jar_folder, lock)
    if not missing:
        return
    megabytes = sum(jar.size for jar in missing) / 1e6
    sys.stdout.write(f"fetching Apache Kafka, once: {len(missing)} files, {megabytes:.1f} MB, to {settings.jar_folder}\n")
    try:
        with FetchProgress() as progress:
            fetch_jars(settings.jar_folder, repository_url=settings.maven_repository_url, lock=lock, progress=progress)
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
    # A thread of its own, which nobody waits for long: a terminal that stands still holds up nothing else.
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
