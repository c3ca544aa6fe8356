"""An order's history as people read it, and what each event changed. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from event_schemas.events import COMMAND_OF_EVENT
from order_service.commands.show.client import History, Json
from order_service.commands.tail.lines import STYLES, local_time, printable, what_matters
from order_service.plain_table import table

_HEAD = ("version", "when", "type", "by", "command", "what")
_REFUSED = "✗"
_NOTHING = object()


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
    yield from _order(history, moment)
    yield Text("")
    head, *lines = table([_HEAD, *(_row(item) for item in history.items)]).splitlines()
    yield Text(head, "dim")
    for item, line in zip(history.items, lines, strict=True):
        yield Text(line, "red" if item["type"] == "CommandRejected" else STYLES.get(item["type"], ""))
        if diff:
            yield from (_change(name, change) for name, change in changes(history, item).items())


def _order(history: History, moment: str | None) -> Iterator[Text]:
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
