"""Bytes to messages, and what becomes of bytes that are none."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest

from event_schemas.commands import InvalidCommand
from event_schemas.decoding import NewerSchema, Unreadable, decode_command, decode_record
from event_schemas.values import printable
from tests.support.given import NOON, cancel, create, given, ship


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
    record = given().when(create()).record
    message = orjson.loads(record.encoded())
    message["later"] = message["data"]["later"] = message["data"]["lines"][0]["later"] = 1

    read = decode_record(orjson.dumps(message))
    assert read.encoded() == record.encoded()
    assert read == record


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
        ({"data": {}}, "data: Object missing required field `customer_id`"),
        ({"data": {"tracking_number": "x"}}, "data: "),
        ({"data": None}, "data: "),
        ({"type": 7}, "type: "),
        ({"type": None}, "type: "),
        ({"surprise": 1}, "surprise"),
        ({"surprise\u0000\u001b[2J": 1}, "surprise??[2J"),
        ({"schema_version": "one"}, "schema_version: "),
        ({"issued_at": "yesterday"}, "issued_at: "),
        ({"issued_at": "2026-01-31T12:00:00"}, "issued_at: "),
        ({"issued_at": "0001-01-01T00:00:00+00:01"}, "issued_at: must be a time between the years 1 and 9999 in UTC"),
        ({"issued_at": 1_700_000_000}, "issued_at: "),
        ({"actor": "a\u0000b"}, "actor: must hold no control characters"),
        ({"actor": "x" * 201}, "actor: must have 1 to 200 characters"),
        ({"correlation_id": ""}, "correlation_id: must have 1 to 200 characters"),
        ({"key_hash": "f" * 63}, "key_hash: "),
        ({"key_hash": "F" * 64}, "key_hash: "),
        ({"expected_version": -1}, "expected_version: "),
        ({"expected_version": 2**31}, "expected_version: "),
    ],
)
def test_a_command_with_ids_but_unusable_content_is_invalid_and_says_where(change, problem):
    decoded = decode_command(orjson.dumps(_message(create()) | change))

    assert isinstance(decoded, InvalidCommand)
    assert problem in decoded.problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"customer_id": "a/b"}, "data.customer_id: must hold no '/', for it stands in a path"),
        ({"customer_id": "\u0085"}, "data.customer_id: must hold no control characters or lone surrogates, found U+0085"),
        ({"currency": "XXY"}, "data.currency: must be an ISO 4217 currency code in capitals, such as EUR"),
        ({"currency": "HRK"}, "data.currency: must be a currency in use: HRK was withdrawn, its last day was 2023-01-14"),
        ({"reference": ""}, "data.reference: must have 1 to 200 characters"),
        ({"sales_channel": "Web"}, "data.sales_channel: must be a name of at most 32 small letters, digits, - and _, such as web"),
        ({"ordered_at": "9999-12-31T23:59:59-00:01"}, "data.ordered_at: must be a time between the years 1 and 9999 in UTC"),
    ],
)
def test_a_command_that_breaks_a_rule_is_invalid_and_says_which(change, problem):
    message = _message(create())
    message["data"] |= change
    decoded = decode_command(orjson.dumps(message))

    assert isinstance(decoded, InvalidCommand)
    assert decoded.problem == problem
    assert (str(decoded.id), decoded.type, decoded.actor) == (message["id"], "CreateOrder", "anonymous")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sku": ""}, "data.lines.1.sku: must have 1 to 200 characters"),
        ({"sku": "a\u0000b"}, "data.lines.1.sku: must hold no control characters or lone surrogates, found U+0000"),
        ({"quantity": 0}, "data.lines.1.quantity: "),
        ({"quantity": 100_001}, "data.lines.1.quantity: "),
        ({"unit_price": "1.00000"}, "data.lines.1.unit_price: must be a decimal string from 0 to 1,000,000,000 with at most 4 decimals"),
        ({"unit_price": "1000000000.0001"}, "data.lines.1.unit_price: must be at most 1,000,000,000"),
        ({"unit_price": 9}, "data.lines.1.unit_price: "),
        ({"later": 1}, "data.lines.1: Object contains unknown field `later`"),
    ],
)
def test_so_is_one_with_a_line_that_breaks_a_rule(change, problem):
    message = _message(create())
    message["data"]["lines"] = [message["data"]["lines"][0], message["data"]["lines"][0] | change]
    decoded = decode_command(orjson.dumps(message))

    assert isinstance(decoded, InvalidCommand)
    assert decoded.problem.startswith(problem)


ENORMOUS: dict[str, tuple[dict[str, object], str]] = {
    "lines": ({"data": _message(create())["data"] | {"lines": [{}] * 5000}}, "data.lines: Expected `array` of length <= 100"),
    "members": ({f"member-{number}": 0 for number in range(5000)}, "Object contains unknown field `member-0`"),
    "members of its data": ({"data": {f"member-{n}": 0 for n in range(5000)}}, "data: Object contains unknown field `member-0`"),
    "members of a line": ({"data": {"lines": [{f"m{n}": 0 for n in range(5000)}]}}, "data.lines.0: Object contains unknown field `m0`"),
    "a name": ({"m" * 100_000: 0}, ("Object contains unknown field `" + "m" * 300)[:300]),
    "a value": ({"correlation_id": "c" * 100_000}, "correlation_id: must have 1 to 200 characters"),
}


@pytest.mark.parametrize(("change", "problem"), ENORMOUS.values(), ids=ENORMOUS)
def test_of_an_enormous_command_one_fault_is_named_and_no_more(change, problem):
    decoded = decode_command(orjson.dumps(_message(create()) | change))

    assert isinstance(decoded, InvalidCommand)
    assert decoded.problem == problem


def test_what_an_invalid_command_says_of_itself_is_kept_where_it_can_be_read():
    head = {"key_hash": "ab" * 32, "correlation_id": "c", "issued_at": "2026-01-31T13:00:00+01:00", "actor": "bob"}
    kept = decode_command(orjson.dumps(_message(create()) | head | {"data": {}}))
    assert isinstance(kept, InvalidCommand)
    assert (kept.key_hash, kept.correlation_id, kept.issued_at, kept.actor) == ("ab" * 32, "c", NOON, "bob")

    broken = {"key_hash": "AB" * 32, "correlation_id": "\u0000", "issued_at": "0001-01-01T00:00:00+00:01", "actor": 7, "type": 7}
    lost = decode_command(orjson.dumps(_message(create()) | broken))
    assert isinstance(lost, InvalidCommand)
    assert (lost.key_hash, lost.correlation_id, lost.actor, lost.type) == (None, str(lost.id), "unknown", "unknown")
    assert lost.issued_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_an_invalid_command_is_read_alike_every_time():
    value = orjson.dumps(_message(create()) | {"issued_at": 5, "data": {}})

    assert decode_command(value) == decode_command(value)


def test_a_later_releases_messages_are_not_guessed_at():
    with pytest.raises(NewerSchema):
        decode_command(orjson.dumps(_message(create()) | {"schema_version": 3}))
    with pytest.raises(NewerSchema, match="is 'OrderShipped' of schema_version 2, this release knows 1: deploy the later release"):
        decode_record(orjson.dumps({**_head(), "type": "OrderShipped", "schema_version": 2, "anything": "else"}))


@pytest.mark.parametrize("version", [1, 2, 2**31 - 1])
@pytest.mark.parametrize("name", ["OrderReturned", "", "\u001b[2J", "T" * 5000])
def test_a_type_that_is_unknown_waits_for_the_release_that_knows_it(name, version):
    said = f"is {printable(name, 60)!r} of schema_version {version}, this release knows no such type: deploy the later release"
    value = orjson.dumps({**_head(), "type": name, "schema_version": version})

    for decode in (decode_command, decode_record):
        with pytest.raises(NewerSchema, match=re.escape(said)):
            decode(value)


@pytest.mark.parametrize(
    "broken", [{"id": "x"}, {"order_id": None}, {"command_id": "X"}, {"type": 1}, {"schema_version": 0}, {"schema_version": 2**31}]
)
def test_a_record_whose_head_cannot_be_read_is_unreadable_whatever_its_type(broken):
    head = {**_head(), "type": "OrderReturned", "schema_version": 2}
    for change in (broken, dict.fromkeys(broken)):
        with pytest.raises(Unreadable, match=next(iter(broken))):
            decode_record(orjson.dumps(head | change))
    with pytest.raises(Unreadable, match=next(iter(broken))):
        decode_record(orjson.dumps({name: value for name, value in head.items() if name not in broken}))


def _head() -> dict[str, str]:
    return {"id": str(uuid4()), "order_id": str(uuid4()), "command_id": str(uuid4())}


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
        ("ordered_at", "9999-12-31T23:59:59.5-00:01"),
        ("ordered_at", "2026-01-31T12:00:00"),
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


def test_a_record_is_read_by_its_shape_alone_whatever_rules_there_are_for_clients():
    message = orjson.loads(given().when(create()).record.encoded())
    message["data"] |= {"customer_id": "a/" * 5000, "currency": "QQQ", "total": "12345678901234567.1234", "units": 2**31 - 1}
    message["data"] |= {"lines": message["data"]["lines"] * 500, "sales_channel": "ANY thing", "reference": ""}
    message["actor"] = ""

    read = decode_record(orjson.dumps(message))

    assert (read.data.customer_id, read.data.currency, len(read.data.lines)) == ("a/" * 5000, "QQQ", 500)
    assert orjson.loads(read.encoded()) == message


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("2026-01-31T13:00:00+01:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T23:59:00+23:59", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        ("9999-12-31T00:00:59.999999-23:59", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_times_are_read_into_utc(said, moment):
    message = orjson.loads(given().when(create()).record.encoded())
    message["occurred_at"] = message["data"]["ordered_at"] = said
    record = decode_record(orjson.dumps(message))

    assert (record.occurred_at, record.data.ordered_at) == (moment, moment)
    assert record.occurred_at.tzinfo is record.data.ordered_at.tzinfo is UTC
