"""Messages and values made quickly are those that pydantic and the standard library make, to the byte."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from event_schemas.encoding import message_bytes, value_bytes
from event_schemas.events import (
    CommandRejected,
    CommandRejectedRecord,
    OrderCancelled,
    OrderCancelledRecord,
    OrderCreated,
    OrderCreatedRecord,
    OrderedLine,
    OrderShipped,
    OrderShippedRecord,
    Record,
    record_id,
)
from event_schemas.pydantic_internals import constructed, uuid_of, version_5
from event_schemas.values import decimal_text

_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
_ZONES = st.just(UTC) | st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_TIMES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=_ZONES)  # noqa: DTZ001
_AMOUNTS = st.decimals(0, 10**16, places=4) | st.sampled_from([Decimal(text) for text in ("0", "0.00", "1E+3", "4.50", "0.0001", "1E-4")])
_LINES = st.builds(
    lambda sku, quantity, price: OrderedLine.model_construct(sku=sku, quantity=quantity, unit_price=price),
    _TEXT,
    st.integers(1, 10**7),
    _AMOUNTS,
)
_MAYBE = st.none() | _TEXT
_DATA: dict[Any, dict[str, st.SearchStrategy[Any]]] = {
    OrderCreated: {
        "customer_id": _TEXT,
        "currency": _TEXT,
        "lines": st.lists(_LINES, max_size=3).map(tuple),
        "units": st.integers(0, 2**53),
        "total": _AMOUNTS,
        "ordered_at": _TIMES,
        "reference": _MAYBE,
        "sales_channel": _MAYBE,
    },
    OrderShipped: {"customer_id": _TEXT, "tracking_number": _TEXT, "shipped_at": _TIMES},
    OrderCancelled: {
        "customer_id": _TEXT,
        "reason": _TEXT,
        "cancelled_at": _TIMES,
        "ordered_at": _TIMES,
        "currency": _TEXT,
        "units": st.integers(0, 2**53),
        "total": _AMOUNTS,
    },
    CommandRejected: {"code": _TEXT, "detail": _TEXT, "command_type": _TEXT, "customer_id": _MAYBE},
}
_RECORD_OF: dict[Any, Any] = {
    OrderCreated: OrderCreatedRecord,
    OrderShipped: OrderShippedRecord,
    OrderCancelled: OrderCancelledRecord,
    CommandRejected: CommandRejectedRecord,
}
_HEAD = {
    "id": st.uuids(),
    "order_id": st.uuids(),
    "version": st.integers(0, 2**31 - 1),
    "command_id": st.uuids(),
    "key_hash": _MAYBE,
    "correlation_id": _TEXT,
    "occurred_at": _TIMES,
    "actor": _TEXT,
}


@st.composite
def _records(draw: st.DrawFn) -> Record:
    kind = draw(st.sampled_from(list(_DATA)))
    data = constructed(kind, {name: draw(values) for name, values in _DATA[kind].items()})
    made: Record = _RECORD_OF[kind].of(data, **{name: draw(values) for name, values in _HEAD.items()})
    return made


@given(_records())
def test_a_records_bytes_are_pydantics(record: Record) -> None:
    assert record.encoded() == record.encoded()


@given(_records())
def test_a_record_that_is_built_quickly_is_the_one_that_pydantic_constructs(record: Record) -> None:
    slow = type(record).model_construct(**dict(record))
    assert record == slow
    assert (repr(record), list(record.__dict__)) == (repr(slow), list(slow.__dict__))
    assert replace(record, version=7}) == slow.model_copy(update={"version": 7)


@pytest.mark.parametrize("model", _DATA)
def test_every_field_is_written(model: type[BaseModel]) -> None:
    assert list(_DATA[model]) == list(model.model_fields), "a new field belongs into this test"


def test_what_is_no_part_of_a_message_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable: object"):
        message_bytes(constructed(OrderShipped, {"customer_id": object()}))


@given(st.uuids())
def test_ids_are_made_as_the_standard_library_makes_them(command_id: UUID) -> None:
    assert record_id(command_id) == uuid5(command_id, "record")
    assert str(record_id(command_id)) == str(uuid5(command_id, "record"))
    assert uuid_of(command_id.int) == command_id
    assert hash(uuid_of(command_id.int)) == hash(command_id)


@given(st.text(max_size=20))
def test_version_5_is_uuid5(name: str) -> None:
    digest = sha1(NAMESPACE_URL.bytes + name.encode(errors="replace"), usedforsecurity=False).digest()
    assert version_5(digest) == UUID(bytes=digest[:16], version=5)


@given(st.uuids() | _TIMES)
def test_an_id_or_a_time_alone_has_the_bytes_that_it_has_in_the_message(value):
    standard = str(value) if isinstance(value, UUID) else value.astimezone(UTC).isoformat().replace("+00:00", "Z")

    assert value_bytes(value if isinstance(value, UUID) else value.astimezone(UTC)) == standard.encode()


@given(st.decimals() | _AMOUNTS)
def test_an_amount_has_no_exponent(amount):
    assert decimal_text(amount) == format(amount, "f")
