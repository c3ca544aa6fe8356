"""Messages for properties: every kind with every field, and golden messages with something changed in them."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import orjson
from hypothesis import strategies as st

from event_schemas.commands import CancelOrder, CreateOrder, Line, ShipOrder
from event_schemas.events import CommandRejected, OrderCancelled, OrderCreated, OrderedLine, OrderShipped
from event_schemas.registry import new_command, new_record
from tests.support.golden import FOLDER

FILES = sorted(FOLDER.glob("*.record.json")) + sorted(FOLDER.glob("*.command.json"))
# An id of digits alone is not read in one pass, and those of golden commands are such.
GOLDEN = [orjson.loads(path.read_bytes().replace(b'"00000000-', b'"a0000000-')) for path in FILES]
"""The golden messages, with a letter in each id."""

PRINTED = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30) | st.sampled_from(["x", "😀" * 200, '"\\' * 100])
_MAYBE = st.none() | PRINTED
_KEY_HASHES = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)
_TIMES = st.datetimes(timezones=st.just(UTC))
_WHOLE = st.integers(1, 2**31 - 1)
_AMOUNTS = st.decimals(0, 10**16, places=4).map(str) | st.sampled_from(["0", "0.00", "00.10", "4.50", "0.0001"])
_CURRENCIES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)
_ORDERED = st.builds(OrderedLine, sku=PRINTED, quantity=_WHOLE, unit_price=_AMOUNTS)

RECORD_DATA: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    OrderCreated: {
        "customer_id": PRINTED,
        "currency": _CURRENCIES,
        "lines": st.lists(_ORDERED, max_size=3).map(tuple),
        "units": _WHOLE,
        "total": _AMOUNTS,
        "ordered_at": _TIMES,
        "reference": _MAYBE,
        "sales_channel": _MAYBE,
    },
    OrderShipped: {"customer_id": PRINTED, "tracking_number": PRINTED, "shipped_at": _TIMES},
    OrderCancelled: {
        "customer_id": PRINTED,
        "reason": PRINTED,
        "cancelled_at": _TIMES,
        "ordered_at": _TIMES,
        "currency": _CURRENCIES,
        "units": _WHOLE,
        "total": _AMOUNTS,
    },
    CommandRejected: {"code": PRINTED, "detail": PRINTED, "command_type": PRINTED, "customer_id": _MAYBE},
}
_PRICES = st.decimals(0, 1_000_000_000, places=4).map(str) | st.sampled_from(["0", "0.00", "1000000000.0000", "0000000001"])
_LINES = st.builds(Line, sku=PRINTED, quantity=st.integers(1, 100_000), unit_price=_PRICES)
COMMAND_DATA: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    CreateOrder: {
        "customer_id": PRINTED.map(lambda text: text.replace("/", "-")),
        "currency": st.sampled_from(["EUR", "JPY"]),
        "lines": st.lists(_LINES, min_size=1, max_size=3).map(tuple),
        "ordered_at": _TIMES,
        "reference": _MAYBE,
        "sales_channel": st.none() | st.sampled_from(["web", "0", "a" * 32]),
    },
    ShipOrder: {"tracking_number": PRINTED},
    CancelOrder: {"reason": PRINTED},
}


def _built(kinds: dict[type, dict[str, st.SearchStrategy[Any]]]) -> st.SearchStrategy[Any]:
    return st.one_of([st.builds(kind, **fields) for kind, fields in kinds.items()])


_IDS = st.uuids().map(lambda one: UUID(int=one.int | 0xA))  # with a letter: one of digits alone is not read in one pass
_HEAD: dict[str, Any] = {
    "order_id": _IDS,
    "command_id": _IDS,
    "key_hash": _KEY_HASHES,
    "correlation_id": PRINTED,
    "actor": PRINTED,
}
RECORDS = st.builds(new_record, _built(RECORD_DATA), version=st.integers(0, 2**31 - 1), occurred_at=_TIMES, **_HEAD)
COMMANDS = st.builds(new_command, _built(COMMAND_DATA), expected_version=st.none() | st.integers(0, 2**31 - 1), issued_at=_TIMES, **_HEAD)

_ID = "00000000-0000-4000-8000-00000000000a"
NEARLY = [
    *(_ID, _ID.upper(), _ID.replace("-", ""), "{" + _ID + "}", f"urn:uuid:{_ID}", _ID + "\n", "0000000-00000-4000-8000-00000000000a"),
    *("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.1Z", "2026-01-31T12:00:00.1234567Z"),
    *("2026-01-31T12:00:00+01:00", "2026-01-31t12:00:00z", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-01-31", "20260131T120000Z"),
    *("2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T29:00:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:60:00Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "2026-13-01T00:00:00Z"),
    *("9999-12-31T23:59:59-00:01", "2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00+0100", "2026-01-31T12:00Z"),
    *("0", "0.0", "00.10", "9.0000", "9.00000", "999999999.9999", "1000000000", "1000000000.0000", "1000000000.0001", "1000000001"),
    *("9999999999", "12345678901234567.1234", "123456789012345678", "-1", "+1", "1e3", "1_0", ".5", "5.", "NaN", "Infinity", " 1", "٣"),
    *("EUR", "eur", "XXX", "EURO", "web", "Web", "a/b", "tab\t", "new\n", "\x7f", "\x85", "\0", "\u2028", "\u200b", "\ufeff", "\U000e0001"),
    *("", "x" * 200, "x" * 201, "☕" * 200, "x" * 2000, "x" * 2001, "f" * 64, "F" * 64, "f" * 64 + "\n"),
    *("OrderCreated", "CreateOrder"),
]
"""Texts at the edge of what a field takes."""
_OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_FIELDS_OF_TIMES = [
    *(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32), st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)),
    *(st.sampled_from(["", ".", ".5", ".123456", ".1234567"]), st.sampled_from(["", "Z", "z", "+00:00", "-23:59", "+25:00"])),
]
_VALUES = st.one_of(
    st.sampled_from(NEARLY),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.text(alphabet="0123456789.-:TZ+/ \n", max_size=28),
    _AMOUNTS,
    st.datetimes(timezones=_OFFSETS).map(datetime.isoformat),
    st.builds("{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}{}".format, *_FIELDS_OF_TIMES),
    st.integers(-(2**63), 2**63),
    st.sampled_from([None, True, False, 0, 1, 1.0, 2, -1, 1.5, 100_000, 100_001, 2**31 - 1, 2**31, [], {}, [{}]]),
)


def places(message: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every field of a message, however deep."""
    for name, value in message.items() if isinstance(message, dict) else enumerate(message):
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from places(value, (*path, name))


def with_value(message: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy of the message with this value at the path."""
    changed = copy.deepcopy(message)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = copy.deepcopy(value)
    return changed


@st.composite
def changed_messages(draw: st.DrawFn) -> dict[str, Any]:
    """A golden message with up to three fields changed, dropped or added."""
    message: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(GOLDEN)))
    for _ in range(draw(st.integers(0, 3))):
        *path, name = draw(st.sampled_from(list(places(message))))
        holder: Any = message
        for step in path:
            holder = holder[step]
        match draw(st.sampled_from(["change", "change", "change", "drop", "add"])):
            case "change":
                holder[name] = copy.deepcopy(draw(_VALUES))
            case "drop":
                del holder[name]
            case "add" if isinstance(holder, dict):
                added = draw(st.sampled_from(["later", "reference", "sales_channel", "key_hash", "expected_version"]))
                holder[added] = copy.deepcopy(draw(_VALUES))
        if not message:
            break
    return message
