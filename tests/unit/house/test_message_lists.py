"""What names the types of messages outside the registry: each list says all of them, and a failure says where one is missing.

A list that follows from `event_schemas/registry.py` stands here too, so that it stays so. The fault kit shares nothing with the
services by design, so its lists are its own.
"""

import ast
import inspect
import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import pytest

from command_api import envelopes, openapi, openapi_answers, routes
from command_api.requests import parse_request
from event_schemas import registry
from event_schemas.feed import FeedFilter
from event_schemas.registry import CommandKind, RecordKind
from order_service.commands import tail
from projections.queries.views import HistoryItem, OrderView
from projections.tables.order_details import OrderDetails
from projections.tables.registry import TABLES
from tests.faults import synthetic
from tests.support.house import ROOT
from tests.support.records import NOON
from tools.faults.checks import expected_rows, log, raw_log
from tools.faults.checks import tables as sums
from tools.faults.load.workload import Intent, Workload

Names = Iterable[str | tuple[str, str]]


# Which kinds there are


def commands() -> Names:
    return set(registry.COMMAND_KINDS)


def records() -> Names:
    return set(registry.RECORD_KINDS)


def events() -> Names:
    return {kind.name for kind in registry.RECORD_KINDS.values() if kind.ends is not None}


def commands_of_events() -> Names:
    return {(kind.name, kind.ends.__name__) for kind in registry.RECORD_KINDS.values() if kind.ends is not None}


def changes() -> Names:
    """The commands that name an order in their path."""
    return {kind.name for kind in registry.COMMAND_KINDS.values() if not kind.creates}


# What the lists say


def _cases(function: Callable[..., Any], subject: str) -> set[str]:
    """The texts that the `match` over this expression has a case for."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Match) and ast.unparse(node.subject) == subject:
            patterns = [part for case in node.cases for part in ast.walk(case.pattern)]
            values = [part.value for part in patterns if isinstance(part, ast.MatchValue)]
            return {value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)}
    raise AssertionError(f"{function.__name__} matches no {subject}")


def _told_in_a_terminal() -> Names:
    """Asked for by name: an event of each type with whatever is looked up in it."""
    said: dict[str, Any] = defaultdict(str)
    of_no_type = tail.what_matters({"type": "", "data": said})
    return {name for name in registry.RECORD_KINDS if tail.what_matters({"type": name, "data": said}) != of_no_type}


def _cases_of_the_demo() -> Names:
    script = (ROOT / "notifier" / "browser" / "demo.js").read_text(encoding="utf-8")
    folding = script.partition("function apply(")[2].partition("\n}\n")[0]
    return re.findall(r'case "(\w+)":', folding)


def _members_of(model: Any, member: str, *path: str | int) -> Names:
    found: Any = model.model_json_schema()["properties"][member]
    for step in path:
        found = found[step]
    names: list[str] = found["enum"]
    return names


def _command_routes() -> dict[str, envelopes.CommandRoute]:
    return {route.name: route for route in vars(envelopes).values() if isinstance(route, envelopes.CommandRoute)}


def _served() -> Names:
    return {route.operation_id for route in routes.create_command_router(None).routes}  # type: ignore[arg-type, attr-defined]


def _described_bodies() -> Names:
    return [name for name, route in _command_routes().items() if route.request.__name__ in openapi.SCHEMAS]


def _linked() -> Names:
    return {link["operationId"] for link in openapi_answers._CHANGES.values()}


def _row(page: str, begin: str) -> Names:
    """The types that a row of a page's table names."""
    text = (ROOT / page).read_text(encoding="utf-8")
    row = next((line for line in text.splitlines() if line.startswith(begin)), "")
    return set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", row))


def _intents() -> list[Intent]:
    workload = Workload(1)
    workload.learned("6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01")
    return [workload.next() for _ in range(300)]


def _asked(intent: Intent) -> str | None:
    """The command that the gateway would make of the fault kit's request."""
    for name, route in _command_routes().items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), intent.path):
            return None if isinstance(parse_request(route.request, intent.body, now=NOON), list) else name
    return None


def _sent_by_the_kit() -> Names:
    return {name for name in map(_asked, _intents()) if name}


class Said(NamedTuple):
    """A list of types: what it says, and what it must say."""

    says: Callable[[], Names]
    wanted: Callable[[], Names]


LISTS: dict[str, Said] = {
    # They follow from the registry.
    "event_schemas/feed.py, FeedFilter.types": Said(lambda: _members_of(FeedFilter, "types", "anyOf", 0, "items"), records),
    "projections/queries/views.py, HistoryItem.type": Said(lambda: _members_of(HistoryItem, "type"), records),
    # The services.
    "command_api/envelopes.py, a CommandRoute": Said(_command_routes, commands),
    "command_api/routes.py, the loop of create_command_router": Said(_served, commands),
    "command_api/openapi.py, _bodies": Said(_described_bodies, commands),
    "command_api/openapi.py, SUMMARIES": Said(lambda: [route.name for route in openapi.SUMMARIES], commands),
    "command_api/openapi_answers.py, _CHANGES": Said(_linked, changes),
    "order_service/commands/tail.py, STYLES": Said(lambda: tail.STYLES, records),
    "order_service/commands/tail.py, what_matters": Said(_told_in_a_terminal, records),
    "notifier/browser/demo.js, apply": Said(_cases_of_the_demo, records),
    # The fault kit.
    "tools/faults/checks/raw_log.py, _TYPES": Said(lambda: raw_log._TYPES, records),
    "tools/faults/checks/expected_rows.py, _COMMAND_OF": Said(expected_rows._COMMAND_OF.items, commands_of_events),
    "tools/faults/checks/expected_rows.py, _details": Said(lambda: _cases(expected_rows._details, "envelope['type']"), events),
    "tools/faults/checks/tables.py, _PLACED": Said(lambda: sums._PLACED, events),
    "tools/faults/checks/log.py, _MARK": Said(lambda: log._MARK, commands),
    "tools/faults/checks/log.py, _STATUS": Said(lambda: log._STATUS, events),
    "tools/faults/checks/log.py, _event": Said(lambda: _cases(log._event, "message['type']"), commands),
    "tools/faults/load/workload.py, Workload": Said(_sent_by_the_kit, commands),
    "tests/faults/synthetic.py, _TYPES": Said(synthetic._TYPES.values, commands),
    # The pages.
    "docs/feed.md, the row of `filter`": Said(lambda: _row("docs/feed.md", "| `filter` |"), records),
    "docs/glossary.md, the row of command": Said(lambda: _row("docs/glossary.md", "| command |"), commands),
    "docs/glossary.md, the row of event": Said(lambda: _row("docs/glossary.md", "| event |"), events),
}


def wrong(where: str) -> str | None:
    """What a list says that it should not, or does not say."""
    says, wanted = set(LISTS[where].says()), set(LISTS[where].wanted())
    return None if says == wanted else f"go to {where}: it lacks {wanted - says or 'none'}, and says {says - wanted or 'none'} too many"


@pytest.mark.parametrize("where", LISTS)
def test_it_names_every_type_of_the_registry_and_no_other(where: str):
    assert wrong(where) is None


def test_the_kit_knows_the_versions_that_are_written():
    """Go to tools/faults/checks/log.py, _WRITTEN."""
    written = {kind.name: kind.version for kind in registry.RECORDS if kind.version != 1}
    assert written == log._WRITTEN


def test_the_kit_knows_the_columns_of_every_table():
    """Go to tools/faults/checks/expected_rows.py, COLUMNS, and to the fold of that table."""
    stored = {table.name: {*table.row._fields} - {"partition"} for table in TABLES}
    known = {name: set(columns) for name, columns in expected_rows.COLUMNS.items()}
    assert known == stored


def test_an_order_is_shown_with_every_column():
    """Go to projections/queries/views.py, OrderView."""
    shown = set(OrderView.model_fields)
    assert shown == {*OrderDetails._fields, "parked"} - {"partition"}


class ReturnOrder(msgspec.Struct):
    """A command of a later day."""


class OrderReturned(msgspec.Struct):
    """Its event."""


@pytest.mark.parametrize("where", LISTS)
def test_a_kind_that_is_added_to_the_registry_is_missed_by_name(where: str, monkeypatch: pytest.MonkeyPatch):
    command, event = CommandKind(ReturnOrder), RecordKind(OrderReturned, ends=ReturnOrder)  # type: ignore[arg-type]
    monkeypatch.setattr(registry, "COMMAND_KINDS", {**registry.COMMAND_KINDS, command.name: command})
    monkeypatch.setattr(registry, "RECORD_KINDS", {**registry.RECORD_KINDS, event.name: event})

    told = wrong(where)

    assert told is not None
    assert where in told
    assert "ReturnOrder" in told or "OrderReturned" in told
