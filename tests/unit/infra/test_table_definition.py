"""A table's columns follow from its row: one field, one column, and the type that the annotation says."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest

from infra.postgres.table_definition import Integer, SqlType, TableDefinition


class _Row(NamedTuple):
    order_id: UUID
    name: str
    offset: int
    version: Integer
    total: Decimal
    day: date
    at: datetime
    note: str | None
    count: Integer | None
    lines: tuple[Any, ...]
    detail: dict[str, Any] | None
    either: int | str
    body: Annotated[str, SqlType("json")]
    noted: Annotated[str, "no SQL type"]


def _table(*key: str) -> TableDefinition[_Row]:
    return TableDefinition("t", _Row, key, lambda _: None, lambda row, _: row)


def test_columns_are_the_rows_fields_in_their_order_with_the_types_that_they_say():
    assert list(_table("order_id").columns.items()) == [
        ("order_id", "uuid"),
        ("name", "text"),
        ("offset", "bigint"),
        ("version", "integer"),
        ("total", "numeric"),
        ("day", "date"),
        ("at", "timestamptz"),
        ("note", "text"),
        ("count", "integer"),
        ("lines", "jsonb"),
        ("detail", "jsonb"),
        ("either", "jsonb"),
        ("body", "json"),
        ("noted", "text"),
    ]


def test_a_key_that_is_no_column_is_refused():
    assert _table("order_id", "version").key == ("order_id", "version")
    with pytest.raises(TypeError, match=r"table t: the key \('order_id', 'nowhere'\) is not among its columns"):
        _table("order_id", "nowhere")
