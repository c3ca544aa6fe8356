"""Bytes to messages, and what becomes of bytes that are none."""

from uuid import uuid4

import orjson
import pytest

from event_schemas.commands import InvalidCommand
from event_schemas.decoding import NewerSchema, Unreadable, decode_command, decode_record
from tests.support.given import cancel, create, given, ship


def _message(command) -> dict:
    return orjson.loads(command.encoded())


@pytest.mark.parametrize("command", [create(), ship(), cancel()], ids=["create", "ship", "cancel"])
def test_a_command_survives_its_bytes(command):
    assert decode_command(command.encoded()) == command


@pytest.mark.parametrize(
    "history", [(create(),), (create(), ship()), (create(), cancel()), (ship(),)], ids=["created", "shipped", "cancelled", "rejected"]
)
def test_a_record_survives_its_bytes(history):
    record = given(*history[:-1]).when(history[-1]).record

    assert decode_record(record.encoded()) == record
    assert decode_record(record.encoded()).encoded() == record.encoded()


def test_readers_of_records_ignore_unknown_fields():
    message = orjson.loads(given().when(create()).record.encoded())
    message["later"] = message["data"]["later"] = message["data"]["lines"][0]["later"] = 1

    assert decode_record(orjson.dumps(message)) == given().when(create()).record.__class__.model_validate(message)


@pytest.mark.parametrize(
    "value", [None, b"", b"junk", b"[]", b"{}", b'{"id":1,"order_id":2}', b'{"id":"00000000-0000-0000-0000-000000000001"}']
)
def test_a_command_without_readable_ids_is_unreadable(value):
    with pytest.raises(Unreadable):
        decode_command(value)


def test_ids_that_are_not_canonical_are_unreadable():
    message = _message(create())
    message["order_id"] = message["order_id"].upper()

    with pytest.raises(Unreadable, match="canonical"):
        decode_command(orjson.dumps(message))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"data": {}}, "data.customer_id"),
        ({"data": None}, "data"),
        ({"type": "DropOrder", "schema_version": 1}, "type"),
        ({"surprise": 1}, "surprise"),
        ({"surprise\u0000\u001b[2J": 1}, "surprise??[2J"),
        ({"schema_version": "one"}, "schema_version"),
        ({"issued_at": "yesterday"}, "issued_at"),
    ],
)
def test_a_command_with_ids_but_unusable_content_is_invalid_and_says_where(change, problem):
    decoded = decode_command(orjson.dumps(_message(create()) | change))

    assert isinstance(decoded, InvalidCommand)
    assert problem in decoded.problem


ENORMOUS: dict[str, tuple[dict[str, object], str]] = {
    "lines": ({"data": {"lines": [{}] * 5000}}, "data.lines: must have at most 100 items"),
    "members": ({f"member-{number}": 0 for number in range(5000)}, "must have at most 32 members"),
    "members of its data": ({"data": {f"member-{number}": 0 for number in range(5000)}}, "data: must have at most 32 members"),
    "members of a line": ({"data": {"lines": [{f"m{n}": 0 for n in range(5000)}]}}, "data.lines.0: must have at most 32 members"),
}


@pytest.mark.parametrize(("change", "problem"), ENORMOUS.values(), ids=ENORMOUS)
def test_of_an_enormous_command_only_the_bound_is_named_that_it_breaks(change, problem):
    decoded = decode_command(orjson.dumps(_message(create()) | change))

    assert isinstance(decoded, InvalidCommand)
    assert decoded.problem == problem


def test_an_invalid_command_is_read_alike_every_time():
    value = orjson.dumps(_message(create()) | {"issued_at": 5, "data": {}})

    assert decode_command(value) == decode_command(value)


def test_a_later_releases_messages_are_not_guessed_at():
    with pytest.raises(NewerSchema):
        decode_command(orjson.dumps(_message(create()) | {"schema_version": 3}))
    with pytest.raises(NewerSchema):
        decode_record(orjson.dumps({"id": str(uuid4()), "type": "OrderReturned", "schema_version": 2}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total", "abc"),
        ("total", {}),
        ("total", 9),
        ("total", "1E+999999"),
        ("total", "NaN"),
        ("total", "0.00001"),
        ("units", 2**63),
        ("units", -1),
        ("units", "2"),
        ("currency", "XX\u0000"),
        ("customer_id", "a\u0000b"),
        ("lines", None),
        ("ordered_at", "0001-01-01T00:00:00+23:59"),
    ],
)
def test_a_record_with_values_that_no_table_could_hold_is_unreadable(field, value):
    message = orjson.loads(given().when(create()).record.encoded())
    message["data"][field] = value

    with pytest.raises(Unreadable, match=field):
        decode_record(orjson.dumps(message))


@pytest.mark.parametrize("field", ["code", "detail", "command_type"])
def test_a_rejection_with_control_characters_is_unreadable(field):
    message = orjson.loads(given().when(ship()).record.encoded())
    message["data"][field] = "a\u0000b"

    with pytest.raises(Unreadable, match=field):
        decode_record(orjson.dumps(message))
