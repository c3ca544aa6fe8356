"""Arrays made column by column hold what psycopg's own, made value by value, hold."""

import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import orjson
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat, Transformer

from infra.postgres.binary_arrays import SENT_AS_TEXT, column_array

VALUES = {
    "uuid": st.uuids(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(),
    "timestamptz": st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=30))])),
    "date": st.dates(),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False),
    "jsonb": st.dictionaries(st.text(), st.integers(0, 9) | st.text()) | st.lists(st.booleans()),
}


def loaded(kind, array):
    """The array as psycopg reads it from the server."""
    name = "text" if kind in SENT_AS_TEXT else kind
    oid = psycopg.adapters.types[name].array_oid
    return Transformer().get_loader(oid, psycopg.pq.Format.BINARY).load(array)


def as_sent(kind, value):
    if value is None or kind not in SENT_AS_TEXT:
        return value
    return f"{value:f}" if kind == "numeric" else orjson.dumps(value).decode()


@pytest.mark.parametrize("kind", VALUES)
def test_what_is_sent_is_what_was_given(kind):
    @given(st.lists(st.none() | VALUES[kind], max_size=5))
    def holds(values):
        assert loaded(kind, column_array(kind, values)) == [as_sent(kind, value) for value in values]

    holds()


@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind not in SENT_AS_TEXT])
def test_the_bytes_are_those_that_psycopg_makes(kind):
    name = {"integer": "int4", "bigint": "int8"}.get(kind, kind)
    element = {
        "uuid": UUID(int=1),
        "integer": 7,
        "bigint": 2**40,
        "text": "Grüße",
        "timestamptz": datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC),
        "date": date(1997, 1, 1),
    }[kind]
    own = Transformer().get_dumper([element, element], PyFormat.BINARY) if name not in {"int4", "int8"} else None
    if own is not None:
        assert bytes(own.dump([element, element])) == column_array(kind, [element, element])


@pytest.mark.parametrize(("kind", "value"), [("integer", 2**31), ("bigint", 2**63), ("uuid", "x"), ("text", "\ud800"), ("numeric", "x")])
def test_a_value_that_the_type_can_not_hold_is_refused(kind, value):
    with pytest.raises((struct.error, TypeError, ValueError, AttributeError)):
        column_array(kind, [value])


def test_amounts_keep_their_decimals():
    assert loaded("numeric", column_array("numeric", [Decimal("9.00"), Decimal("1E+3")])) == ["9.00", "1000"]
