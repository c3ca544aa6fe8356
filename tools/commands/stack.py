"""`./orders status|logs|serve|down|reset`: look at a stack, add to it, end it."""

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from infra.process.settings import Settings
from order_service.stack.folder import AlreadyRuns, StackFolder
from order_service.stack.record import add_guest, read_record
from order_service.stack.running import stack_settings
from order_service.stack.status import read_status, render
from tools.local_stack.end import end_stack
from tools.local_stack.log_files import LogFollower, logs_of
from tools.local_stack.ports import claims, conflicts, free_port
from tools.local_stack.service_processes import MODULES, command

_OWN_ADDRESS = ("ORDERS_BIND", "ORDERS_HTTP_PORT", "ORDERS_FEED_PORT", "ORDERS_HEALTH_PORT")
_OWN_PORT = {"gateway": "ORDERS_HTTP_PORT", "notifier": "ORDERS_FEED_PORT"}


def status(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with the database's password")] = False) -> None:
    """Show what runs, and where. Exits 0 when all is ready, else 1."""
    found = read_status(Settings())
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if as_json else render(found))
    raise typer.Exit(0 if found["ready"] else 1)


def logs(
    service: Annotated[
        str | None, typer.Argument(help="kafka, postgres, gateway, order_aggregate, projections, notifier or supervisor")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, until Ctrl-C")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Last lines of each log")] = 100,
) -> None:
    """Show the last lines of the services' logs."""
    folder = StackFolder(Settings().home).logs

    def find() -> list[Path]:
        return logs_of(folder, service)

    if not find() and not follow:
        sys.stderr.write(f"no log of {service or 'anything'} in {folder}\n")
        raise typer.Exit(1)
    follower = LogFollower(find, last_lines=lines)
    follower.print_new()
    if follow:
        try:
            follower.follow(threading.Event())
        except KeyboardInterrupt:
            return


def serve(service: Annotated[str, typer.Argument(help="gateway, order_aggregate, projections or notifier")]) -> None:
    """Run one more instance of a service in the foreground, as part of the running stack.

    A second gateway needs ORDERS_HTTP_PORT, a second notifier ORDERS_FEED_PORT. `status` counts it, `down` ends it too.
    """
    if service not in MODULES:
        sys.stderr.write(f"there is no service {service}: choose {', '.join(MODULES)}\n")
        raise typer.Exit(2)
    folder = StackFolder(Settings().home)
    record = read_record(folder) if folder.is_held() else None
    if record is None:
        sys.stderr.write(f"no stack runs in {folder.home}: start it with `./orders up`\n")
        raise typer.Exit(1)
    if problems := conflicts([claim for claim in claims(stack_settings()) if claim.variable == _OWN_PORT.get(service)]):
        sys.stderr.write("\n".join(problems) + "\n")
        raise typer.Exit(1)
    own = {name: os.environ[name] for name in _OWN_ADDRESS if name in os.environ}
    environment = {**os.environ, "ORDERS_HEALTH_PORT": str(free_port()), **record.environment, **own}
    add_guest(folder, service)
    arguments = command(service)
    os.execve(arguments[0], arguments, environment)  # noqa: S606 this very process becomes the service: Ctrl-C and `down` reach it


def down() -> None:
    """Stop everything, and end what a killed run left behind. The data stay."""
    ended = end_stack(StackFolder(Settings().home))
    sys.stdout.write(f"{ended}\n")


def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Don't ask")] = False) -> None:
    """Stop everything and remove the embedded servers' data, all orders included. Downloaded jars stay."""
    from tools.local_stack.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 its client takes 0.3 s, which no other command here needs

    settings = Settings()
    folder = StackFolder(settings.home)
    doomed = (folder.kafka, folder.logs, settings.snapshot_folder)
    if not any(place.exists() for place in (*doomed, folder.postgres)):
        sys.stdout.write(f"there is nothing to remove in {folder.home}\n")
        return
    if not yes and not _confirmed(folder):
        sys.stdout.write("nothing was removed\n")
        raise typer.Exit(1)
    end_stack(folder)
    folder.create()
    try:
        with folder.held():
            EmbeddedPostgres(folder.postgres).erase()
            for place in doomed:
                shutil.rmtree(place, ignore_errors=True)
    except AlreadyRuns as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from error
    sys.stdout.write(f"removed Kafka's and PostgreSQL's data and the logs in {folder.home}\n")


def _confirmed(folder: StackFolder) -> bool:
    sys.stdout.write(f"This removes all orders and everything made from them in {folder.home}. Go on? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
