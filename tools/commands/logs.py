"""`./orders logs`."""

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from infra.process.settings import Settings
from order_service.stack.folder import StackFolder
from tools.local_stack.log_files import LogFollower, logs_of


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
