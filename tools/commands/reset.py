"""`./orders reset`."""

import shutil
import sys
from typing import Annotated

import typer

from infra.process.settings import Settings
from order_service.stack.folder import AlreadyRuns, StackFolder
from tools.local_stack.embedded.postgres import EmbeddedPostgres
from tools.local_stack.end import end_stack


def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Don't ask")] = False) -> None:
    """Stop everything and remove the embedded servers' data, all orders included. Downloaded jars stay."""
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
