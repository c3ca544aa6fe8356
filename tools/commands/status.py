"""`./orders status`."""

import json
import sys
from typing import Annotated

import typer

from infra.process.settings import Settings
from order_service.stack.status import read_status, render


def status(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON object, with the database's password")] = False) -> None:
    """Show what runs, and where. Exits 0 when all is ready, else 1."""
    found = read_status(Settings())
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if as_json else render(found))
    raise typer.Exit(0 if found["ready"] else 1)
