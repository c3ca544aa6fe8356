"""`./orders show`: what happened to an order, and the order as it was. The gateway folds, for all programs that ask."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import aiohttp
import orjson
import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from event_schemas.registry import COMMAND_OF_EVENT
from event_schemas.request_types import Time
from order_service.commands.tail import STYLES, what_matters
from order_service.stack.running import stack_settings, urls
from order_service.terminal import fail, local_time, printable, table

Json = dict[str, Any]
_ANSWER_S = 15.0
_COLUMNS = ("version", "when", "type", "by", "command", "what")
_REFUSED = "✗"
_NOTHING = object()


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
        fail("--version and --as-of can't be combined: ask for one of them", 2)
    time = None if as_of is None else _time(as_of)
    address = url or urls(stack_settings(), None, None).http
    try:
        history = asyncio.run(read_history(address, order, version=version, as_of=time, every_state=diff))
    except NotShown as error:
        fail(str(error), 1)
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
        fail("--as-of: must be a time with an offset such as 2026-01-31T12:00:00Z", 2)


class NotShown(Exception):
    """There is no such order, or no gateway that could say so; the text tells which."""


@dataclass(frozen=True, slots=True)
class History:
    """What is known of an order up to a moment.

    `items`: its records, rejections too, in the order of the log. `states`: the order after each of its versions, by version;
    only the last one unless all were asked for, none when it was never placed.
    """

    items: Sequence[Json]
    states: Mapping[int, Json]

    @property
    def order(self) -> Json | None:
        """The order as it is shown."""
        return self.states[max(self.states)] if self.states else None


async def read_history(url: str, order_id: UUID, *, version: int | None, as_of: datetime | None, every_state: bool) -> History:
    """Read what the gateway at `url` knows of the order, up to `version` or up to what had occurred `as_of` a time.

    Raises NotShown.
    """
    path = f"{url.rstrip('/')}/orders/{order_id}"
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, raise_for_status=False) as session:
            last, position = version, None
            if as_of is not None:
                past, position = await _get(session, path, {"as_of": as_of.isoformat()})
                last = past["version"]
            found, position = await _get(session, f"{path}/events", _at(position))
            items: list[Json] = found["items"]
            last = max(item["version"] for item in items) if last is None else last
            # A version never changes, so that reading them one by one shows no mixture.
            wanted = range(1 if every_state else last, last + 1) if last or version is not None else range(0)
            answers = await asyncio.gather(*(_get(session, path, {"version": str(number), **_at(position)}) for number in wanted))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NotShown(f"{url} does not answer ({type(error).__name__}): is the stack up? `./orders status`") from error
    shown = [item for item in items if item["version"] <= last and not _later_refusal(item, as_of)]
    return History(shown, {number: state for number, (state, _) in zip(wanted, answers, strict=True)})


def _at(position: str | None) -> dict[str, str]:
    return {"position": position} if position else {}


def _later_refusal(item: Json, as_of: datetime | None) -> bool:
    # The events end with the version; a refused command leaves it as it was.
    return as_of is not None and item["type"] == "CommandRejected" and datetime.fromisoformat(item["occurred_at"]) > as_of


async def _get(session: aiohttp.ClientSession, path: str, parameters: Mapping[str, str]) -> tuple[Json, str | None]:
    async with session.get(path, params=parameters) as response:
        content = await response.read()
        try:
            body = orjson.loads(content)
        except orjson.JSONDecodeError:
            body = {}
        if response.status != 200:
            raise NotShown(str(body.get("detail", f"the gateway answers {response.status}")))
        return body, response.headers.get("Orders-Position")


def as_json(history: History, *, diff: bool) -> Json:
    """What `--json` shows: the order and its records as the gateway answers them, and what each of them changed."""
    items = [{**item, "changes": changes(history, item)} if diff else item for item in history.items]
    return {"order": history.order, "items": items}


def changes(history: History, item: Json) -> dict[str, Json]:
    """The fields of the order that a record changed, each with what it was and what it became; none for a rejection."""
    if item["type"] == "CommandRejected":
        return {}
    before, after = history.states.get(item["version"] - 1, {}), history.states[item["version"]]
    found = {}
    for name in [*after, *(name for name in before if name not in after)]:
        was, became = before.get(name, _NOTHING), after.get(name, _NOTHING)
        if was != became:
            told = {"from": was, "to": became}
            found[name] = {side: value for side, value in told.items() if value is not _NOTHING}
    return found


def page(history: History, *, moment: str | None, diff: bool) -> Iterator[Text]:
    """The order, then its records line by line; rejections are marked and red, and change nothing."""
    yield from _head_of(history, moment)
    yield Text("")
    head, *lines = table([_COLUMNS, *(_row(item) for item in history.items)]).splitlines()
    yield Text(head, "dim")
    for item, line in zip(history.items, lines, strict=True):
        yield Text(line, "red" if item["type"] == "CommandRejected" else STYLES.get(item["type"], ""))
        if diff:
            yield from (_change(name, change) for name, change in changes(history, item).items())


def _head_of(history: History, moment: str | None) -> Iterator[Text]:
    order = history.order
    if order is None:
        yield Text("no such order: every command for it was refused", "bold")
        return
    yield Text(f"order {order['order_id']}" + (f", as it was {moment}" if moment else ""), "bold")
    yield Text(f"{order['status']}, version {order['version']}: {order['units']} units, {order['total']} {order['currency']}")
    told = [f"{name} {order[name]}" for name in ("sales_channel", "reference") if name in order]
    yield Text(printable(", ".join([f"customer {order['customer_id']}", *told])))


def _row(item: Json) -> list[str]:
    refused = item["type"] == "CommandRejected"
    command = item["data"]["command_type"] if refused else COMMAND_OF_EVENT.get(item["type"], "?")
    return [
        _REFUSED if refused else str(item["version"]),
        local_time(item["occurred_at"]),
        printable(item["type"]),
        printable(item["actor"]),
        printable(f"{command} {str(item['command_id'])[:8]}"),
        printable(what_matters(item)),
    ]


def _change(name: str, change: Json) -> Text:
    if "from" not in change:
        return Text(f"           + {name}: {_shown(change['to'])}", "green")
    if "to" not in change:
        return Text(f"           - {name}: {_shown(change['from'])}", "red")
    return Text(f"           ~ {name}: {_shown(change['from'])} → {_shown(change['to'])}", "yellow")


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
