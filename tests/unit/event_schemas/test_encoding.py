"""The bytes of messages: a promise to every release, and the same value comes back out of them."""

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha1
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_schemas.commands import CreateOrder, Line
from event_schemas.decoding import decode_command, decode_record
from event_schemas.encoding import encoded, value_bytes
from event_schemas.events import CommandRejected, OrderCreated, OrderedLine
from event_schemas.ids import name_based, record_id
from event_schemas.registry import COMMANDS as COMMAND_KINDS
from event_schemas.registry import RECORDS as RECORD_KINDS
from event_schemas.registry import new_command, new_record
from tests.unit.event_schemas.generated import COMMAND_DATA, COMMANDS, RECORD_DATA, RECORDS

COMMAND_ID, ORDER_ID = UUID("00000000-0000-4000-8000-00000000000a"), UUID("6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01")
AT = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)


@given(RECORDS)
def test_a_record_comes_back_from_its_bytes(record):
    read = decode_record(record.encoded())

    assert read == record
    assert read.encoded() == record.encoded()


@given(COMMANDS)
def test_a_command_comes_back_from_its_bytes(command):
    read = decode_command(command.encoded())

    assert read == command
    assert read.encoded() == command.encoded()


@pytest.mark.parametrize("kind", [*COMMAND_KINDS, *RECORD_KINDS], ids=lambda kind: kind.name)
def test_every_field_of_every_kind_is_tried(kind):
    assert list({**COMMAND_DATA, **RECORD_DATA}[kind.data]) == list(kind.data.__struct_fields__), "a new field belongs into generated.py"


@given(RECORDS | COMMANDS)
def test_the_bytes_are_what_any_json_library_makes_of_the_plain_values(message):
    plain = msgspec.to_builtins(message)

    assert message.encoded() == orjson.dumps(plain)
    assert not [name for name, value in {**plain, **plain["data"]}.items() if value is None], "what has no value is left out"


def test_a_records_bytes_stay_as_they_are():
    data = OrderCreated(
        customer_id="Zoë",
        currency="EUR",
        lines=(OrderedLine(sku="tea", quantity=2, unit_price="4.50"),),
        units=2,
        total="9.00",
        ordered_at=AT,
        reference='"7"',
    )
    head = {"order_id": ORDER_ID, "version": 1, "command_id": COMMAND_ID, "correlation_id": "c", "occurred_at": AT, "actor": "tests"}

    assert new_record(data, key_hash="ab" * 32, **head).encoded().decode() == (
        f'{{"id":"{uuid5(COMMAND_ID, "record")}","type":"OrderCreated","schema_version":2,'
        '"order_id":"6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01","version":1,"command_id":"00000000-0000-4000-8000-00000000000a",'
        f'"key_hash":"{"ab" * 32}","correlation_id":"c","occurred_at":"2026-01-31T12:00:00.250000Z","actor":"tests",'
        '"data":{"customer_id":"Zoë","currency":"EUR","lines":[{"sku":"tea","quantity":2,"unit_price":"4.50"}],"units":2,'
        '"total":"9.00","ordered_at":"2026-01-31T12:00:00.250000Z","reference":"\\"7\\""}}'
    )
    rejection = CommandRejected(code="order_not_found", detail="not so", command_type="ShipOrder")
    assert (
        new_record(rejection, **head).encoded().endswith(b'"data":{"code":"order_not_found","detail":"not so","command_type":"ShipOrder"}}')
    )


def test_a_commands_bytes_stay_as_they_are():
    data = CreateOrder(customer_id="ada", currency="EUR", lines=(Line(sku="tea", quantity=2, unit_price="4.50"),), ordered_at=AT)
    command = new_command(
        data, command_id=COMMAND_ID, order_id=ORDER_ID, expected_version=0, correlation_id="c", issued_at=AT, actor="anonymous"
    )

    assert command.encoded() == (
        b'{"id":"00000000-0000-4000-8000-00000000000a","schema_version":2,"order_id":"6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01",'
        b'"expected_version":0,"correlation_id":"c","issued_at":"2026-01-31T12:00:00.250000Z","actor":"anonymous","type":"CreateOrder",'
        b'"data":{"customer_id":"ada","currency":"EUR","lines":[{"sku":"tea","quantity":2,"unit_price":"4.50"}],'
        b'"ordered_at":"2026-01-31T12:00:00.250000Z"}}'
    )


def test_a_message_cannot_be_changed():
    command = new_command(
        CreateOrder(customer_id="ada", currency="EUR", lines=(), ordered_at=AT),
        command_id=COMMAND_ID,
        order_id=ORDER_ID,
        correlation_id="c",
        issued_at=AT,
        actor="a",
    )
    with pytest.raises(AttributeError):
        command.actor = "eve"
    with pytest.raises(AttributeError):
        command.data.customer_id = "eve"


def test_what_is_no_part_of_a_message_is_refused():
    with pytest.raises(TypeError, match="object"):
        encoded(OrderedLine(sku=object(), quantity=1, unit_price="1"))
    with pytest.raises(UnicodeEncodeError):
        encoded(OrderedLine(sku="\ud800", quantity=1, unit_price="1"))


@given(st.uuids())
def test_a_records_id_is_uuid5_of_its_commands(command_id):
    assert record_id(command_id) == uuid5(command_id, "record")
    assert (str(record_id(command_id)), hash(record_id(command_id))) == (
        str(uuid5(command_id, "record")),
        hash(uuid5(command_id, "record")),
    )


@given(RECORDS)
def test_a_new_record_has_that_id(record):
    assert record.id == uuid5(record.command_id, "record")


@given(st.uuids() | st.just(NAMESPACE_URL), st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_name_based_id_is_uuid5(namespace, name):
    made = name_based(namespace.bytes + name.encode())

    assert (
        made == uuid5(namespace, name) == UUID(bytes=sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()[:16], version=5)
    )
    assert (made.version, made.variant, made.bytes) == (5, uuid5(namespace, name).variant, uuid5(namespace, name).bytes)


@given(st.uuids() | st.datetimes(timezones=st.just(UTC)))
def test_an_id_or_a_time_alone_has_the_bytes_that_it_has_in_the_message(value):
    standard = str(value) if isinstance(value, UUID) else value.isoformat().replace("+00:00", "Z")

    assert value_bytes(value) == standard.encode()


@given(st.decimals(0, 10**16, places=4), st.integers(1, 10**7))
def test_an_amount_that_a_command_may_carry_never_gets_an_exponent(price, quantity):
    assert str(Decimal(str(price)) * quantity) == format(price * quantity, "f")
