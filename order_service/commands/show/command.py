"""`./orders show`: what happened to an order, and the order as it was."""

import asyncio
import sys
from datetime import datetime
from typing import Annotated, NoReturn
from uuid import UUID

import orjson
import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from event_schemas.values import Time
from order_service.commands.show.client import NotShown, read_history
from order_service.commands.show.view import as_json, page
from order_service.stack.addresses import urls
from order_service.stack.running import stack_settings


def show(  # noqa: PLR0913  each is an option of the command line
    order: Annotated[UUID, typer.Argument(metavar="ORDER", help="The order's id")],
    *,
    version: Annotated[int | None, typer.Option(min=0, help="The order as it was at this version")] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The order as it was at this time, such as 2026-01-31T12:00:00Z")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="What each event changed, field by field")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object: the order and its records")] = False,
    url: Annotated[str | None, typer.Option(help="The gateway; default: the running stack's")] = None,
) -> None:
    """Show an order and its history: every record in the order of the log, refused commands too (✗, red).

    Times are those of the commands. Exits 1 when there is, or was, no such order, or when no gateway answers.
    """
    if version is not None and as_of is not None:
        _fail("--version and --as-of can't be combined: ask for one of them", 2)
    time = None if as_of is None else _time(as_of)
    address = url or urls(stack_settings(), None, None).http
    try:
        history = asyncio.run(read_history(address, order, version=version, as_of=time, every_state=diff))
    except NotShown as error:
        _fail(str(error), 1)
    if json:
        sys.stdout.write(orjson.dumps(as_json(history, diff=diff)).decode() + "\n")
        return
    moment = f"at version {version}" if version is not None else as_of and f"on {as_of}"
    # Coloured on a terminal, plain elsewhere; NO_COLOR is heeded.
    console = Console(highlight=False, soft_wrap=True)
    for line in page(history, moment=moment, diff=diff):
        console.print(line)


def _time(text: str) -> datetime:
    try:
        return TypeAdapter[datetime](Time).validate_python(text)
    except ValidationError:
        _fail("--as-of: must be a time with an offset such as 2026-01-31T12:00:00Z", 2)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(code)
