"""`./orders trace COMMAND|ORDER|CORRELATION`: what became of commands, and when."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import aiohttp
import orjson
import typer
import uvloop

from order_service.stack.running import stack_settings, urls
from order_service.terminal import fail, table

_ANSWER_S = 10.0
_DELETED = "(the command itself was deleted after it was decided)"


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
        fail("an id has 1 to 200 characters", 2)
    http = url or urls(stack_settings(), None, None).http
    try:
        items = uvloop.run(_items(http, wanted))
    except _NoAnswer as error:
        fail(str(error), 1)
    if as_json:
        sys.stdout.write(orjson.dumps({"items": items}, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif items:
        sys.stdout.write(render(items))
    if not items:
        fail(f"nothing is known of {wanted}: a command that was not decided yet is found at the Location of its 202", 1)


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


def render(items: Iterable[Mapping[str, Any]]) -> str:
    """Each command with its chain, times in UTC with the milliseconds since the step before."""
    return "\n".join(_told(item) for item in items)


def _told(item: Mapping[str, Any]) -> str:
    outcome = item["status"] if item["status"] == "accepted" else f"rejected, {item['code']}: {item['detail']}"
    head = f"{item['type']} {item['command_id']}: {outcome}\n"
    rows = [
        ("order", f"{item['order_id']} version {item['version']}"),
        ("correlation", item["correlation_id"]),
        *_chain(item),
        ("record", f"{item['record_id']} at {item['position']}"),
        *((name, visibility) for name, visibility in item["projections"].items()),
    ]
    return head + table(rows)


def _chain(item: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    steps = []
    before: datetime | None = None
    for name in ("received", "appended", "decided"):
        text = item[f"{name}_at"]
        at = datetime.fromisoformat(text) if text else None
        since = f"  +{(at - before).total_seconds() * 1000:.0f} ms" if at and before else ""
        steps.append((name, f"{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}{since}" if at else _DELETED))
        before = at or before
    return steps
