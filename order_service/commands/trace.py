"""`./orders trace COMMAND|ORDER|CORRELATION`."""

import sys
from typing import Annotated, Any

import aiohttp
import orjson
import typer
import uvloop

from order_service.commands.trace_lines import render
from order_service.stack.addresses import urls
from order_service.stack.running import stack_settings

_ANSWER_S = 10.0


class _NoAnswer(Exception):
    """The gateway can't tell; the text says why."""


def trace(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A command id, an order id or a correlation id")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object")] = False,
    url: Annotated[str | None, typer.Option(help="The gateway; default: the running stack's")] = None,
) -> None:
    """Print what became of commands and when: received, appended, decided, and where it can be read. Exits 1 when nothing is found."""
    if not 0 < len(wanted) <= 200:
        sys.stderr.write("an id has 1 to 200 characters\n")
        raise typer.Exit(2)
    http = url or urls(stack_settings(), None, None).http
    try:
        items = uvloop.run(_items(http, wanted))
    except _NoAnswer as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from error
    if as_json:
        sys.stdout.write(orjson.dumps({"items": items}, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif items:
        sys.stdout.write(render(items))
    if not items:
        sys.stderr.write(f"nothing is known of {wanted}: a command that was not decided yet is found at the Location of its 202\n")
        raise typer.Exit(1)


async def _items(http: str, wanted: str) -> list[dict[str, Any]]:
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{http}/trace", params={"id": wanted}) as answer:
            body = orjson.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
        raise _NoAnswer(f"{http} does not answer ({type(error).__name__}): is the stack up? `./orders status`") from error
    if answer.status != 200:
        raise _NoAnswer(str(body.get("detail", f"{http} answered {answer.status}")))
    items: list[dict[str, Any]] = body["items"]
    return items
