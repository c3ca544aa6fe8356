"""Rules, control characters and times of every field of every kind: what its annotations say, wherever the field stands."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from event_schemas.commands import Command
from event_schemas.events import Record
from event_schemas.field_checks import FieldChecks, fields_of
from event_schemas.messages import Closed, Open, Time
from event_schemas.registry import COMMANDS, RECORDS
from event_schemas.values import AMOUNT, CURRENCY, CUSTOMER_ID, MAX_TEXT, SALES_CHANNEL, TEXT, Rule
from tests.support.given import cancel, create, ship
from tests.support.given import given as given_orders
from tests.support.records import cancelled, created, rejected, shipped
from tests.unit.event_schemas.generated import NEARLY

_CHECKS = {kind.name: FieldChecks(envelope, kind.data) for envelope, kinds in ((Command, COMMANDS), (Record, RECORDS)) for kind in kinds}
_ORDER = UUID(int=1)
_MESSAGES = [
    *(create(sales_channel="web"), ship(), cancel()),
    *(created(sales_channel="web"), shipped(_ORDER), cancelled(_ORDER), rejected(customer_id="ada")),
]
_NEARLY = st.sampled_from([value for value in NEARLY if isinstance(value, str)])
_CONTROLS = ["\0", "\t", "\n", "\x1b", "\x7f", "\x85", "\x9f", "\ud800", "\udfff"]


def _small(text: str) -> str:
    if not text.islower():
        raise ValueError("must be small")
    return text


class _Part(Open, frozen=True, kw_only=True):
    name: Annotated[str, Rule(_small, {})]
    note: str | None = None


class _Data(Open, frozen=True, kw_only=True):
    title: Annotated[str, Rule(_small, {})] | None
    parts: tuple[_Part, ...]
    at: Time

    def check(self) -> None:
        if self.title == "never":
            raise ValueError("title: never")


class _Envelope(Closed, frozen=True, kw_only=True):
    actor: Annotated[str, Rule(_small, {})]
    sent_at: Time
    data: _Data


_NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
_OWN = FieldChecks(_Envelope, _Data)
_ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=_ZONES)  # noqa: DTZ001


def _message(**changes: Any) -> _Envelope:
    data = _Data(title="a", parts=(_Part(name="b"), _Part(name="c", note="N")), at=_NOON)
    inside = {name: value for name, value in changes.items() if name in _Data.__struct_fields__}
    outside = {name: value for name, value in changes.items() if name not in inside}
    return replace(_Envelope(actor="x", sent_at=_NOON, data=replace(data, **inside)), **outside)


def test_what_keeps_all_rules_passes():
    _OWN.require(_message(), plain=False)
    _OWN.require(_message(title=None), plain=False)
    _OWN.require(_message(title=None), plain=True)
    assert _OWN.in_utc(message := _message()) is message


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"actor": "X"}, "actor: must be small"),
        ({"title": "A"}, "data.title: must be small"),
        ({"parts": (_Part(name="b"), _Part(name="C"))}, "data.parts.1.name: must be small"),
        ({"title": "never"}, "data.title: never"),
        ({"title": "never", "parts": (_Part(name="B"),)}, "data.parts.0.name: must be small"),
    ],
)
def test_the_first_broken_rule_is_named(changes, problem):
    with pytest.raises(ValueError, match=f"^{problem}$"):
        _OWN.require(_message(**changes), plain=False)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"actor": "\0"}, "actor"),
        ({"title": "\0"}, "data.title"),
        ({"parts": (_Part(name="b"), _Part(name="c", note="\0"))}, "data.parts.1.note"),
    ],
)
def test_a_control_character_is_found_in_texts_without_a_rule_as_well(changes, where):
    with pytest.raises(ValueError, match=rf"^{where}: must "):
        _OWN.require(_message(**changes), plain=False)


@given(_TIMES, _TIMES)
def test_every_time_is_moved_into_utc(sent, at):
    moved = _OWN.in_utc(_message(sent_at=sent, at=at))

    assert (moved.sent_at, moved.data.at) == (sent, at)
    assert moved.sent_at.tzinfo is moved.data.at.tzinfo is UTC
    assert replace(moved, sent_at=_NOON, data=replace(moved.data, at=_NOON)) == _message()


@pytest.mark.parametrize(("name", "path"), [("sent_at", "sent_at"), ("at", "data.at")])
@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(minutes=1))),
        datetime(1, 1, 1, 23, 58, tzinfo=timezone(timedelta(hours=23, minutes=59))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(-timedelta(minutes=1))),
    ],
)
def test_a_time_without_a_place_in_utc_is_named(name, path, moment):
    with pytest.raises(ValueError, match=f"^{path}: must be a time between the years 1 and 9999 in UTC$"):
        _OWN.in_utc(_message(**{name: moment}))


def _texts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all texts of a message that are neither ids, times, nor bound by a pattern."""
    if isinstance(value, dict):
        return [one for name, inner in value.items() for one in _texts(inner, (*path, name))]
    if isinstance(value, list | tuple):
        return [one for index, inner in enumerate(value) for one in _texts(inner, (*path, index))]
    return [path] if isinstance(value, str) else []


def _with_text(message: Any, path: tuple[Any, ...], text: str) -> Any:
    step, *rest = path
    if isinstance(step, int):
        return tuple(_with_text(item, tuple(rest), text) if index == step else item for index, item in enumerate(message))
    return replace(message, **{step: _with_text(getattr(message, step), tuple(rest), text) if rest else text})


@pytest.mark.parametrize("message", _MESSAGES, ids=lambda one: one.type)
@pytest.mark.parametrize("control", _CONTROLS, ids=ascii)
def test_no_text_of_any_message_may_hold_a_control_character(message, control):
    checks = _CHECKS[message.type]
    plain = to_builtins(message, builtin_types=(UUID, datetime))
    paths = _texts(plain)

    assert ("actor",) in paths
    checks.require(message, plain=False)
    for path in paths:
        with pytest.raises(ValueError, match=f"^{'.'.join(map(str, path))}: must "):
            checks.require(_with_text(message, path, f"a{control}b"), plain=False)


@pytest.mark.parametrize("message", _MESSAGES, ids=lambda one: one.type)
def test_every_time_of_every_message_is_read_into_utc(message):
    east = timezone(timedelta(hours=2))
    plain = to_builtins(message, builtin_types=(UUID, datetime))
    envelope = {name: at.astimezone(east) for name, at in plain.items() if isinstance(at, datetime)}
    data = {name: at.astimezone(east) for name, at in plain["data"].items() if isinstance(at, datetime)}
    elsewhere = replace(message, **envelope, data=replace(message.data, **data))

    assert envelope
    read = _CHECKS[message.type].in_utc(elsewhere)
    assert read.encoded() == message.encoded() != elsewhere.encoded()
    for one in ({"moved": at} for at in [*envelope, *data]):
        assert getattr(read, one["moved"], getattr(read.data, one["moved"], None)).tzinfo is UTC


def _all_fields(*messages: type) -> list[Any]:
    found = [field for message in messages for field in fields_of(message)]
    return found + [item for field in found for item in field.items]


def test_records_have_no_rules():
    for kind in RECORDS:
        assert not [field for field in _all_fields(Record, kind.data) for note in field.notes if isinstance(note, Rule)]
        assert not hasattr(kind.data, "check")


def test_every_text_of_a_command_has_a_rule():
    """So that a record, which repeats them, has a bound."""
    for kind in COMMANDS:
        texts = [field for field in _all_fields(Command, kind.data) if field.type is str and field.path not in {"type", "key_hash"}]
        assert texts
        assert not [field.path for field in texts if not any(isinstance(note, Rule) for note in field.notes)]


@pytest.mark.parametrize("rule", [TEXT, CUSTOMER_ID, AMOUNT, CURRENCY, SALES_CHANNEL], ids=lambda rule: rule.check.__name__)
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200) | _NEARLY)
def test_what_is_quickly_taken_is_what_the_rule_takes(rule: Rule, text: str):
    if 0 < len(text) <= MAX_TEXT and text.isascii() and text.isprintable() and rule.quick(text) is not None:
        assert rule.check(text) == text


def test_a_record_of_the_given_orders_passes_untouched():
    record = given_orders().when(create()).record
    assert record is not None
    assert _CHECKS["OrderCreated"].in_utc(record) is record
