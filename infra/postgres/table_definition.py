"""What a table of a read model is: its columns, and the pure fold that fills it. Infra stores it, a service declares it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from event_schemas.recorded import RecordedMessage

RowT = TypeVar("RowT", bound=NamedTuple)
Key = tuple[Any, ...]
"""The values of a row's key columns, in the order of `TableDefinition.key`."""


@dataclass(frozen=True, slots=True)
class SqlType:
    """Names a column's SQL type in the annotation of its field, where it is not the one that follows from the field's own type."""

    name: str


Integer = Annotated[int, SqlType("integer")]
_SQL_TYPES: Mapping[Any, str] = {
    UUID: "uuid",
    str: "text",
    int: "bigint",
    Decimal: "numeric",
    date: "date",
    datetime: "timestamptz",
}
_JSON = "jsonb"
"""The type of every other field, which holds plain JSON values."""


@dataclass(frozen=True, eq=False)
class TableDefinition(Generic[RowT]):
    """A table and its fold.

    A row is a named tuple: made in a fifth of the time of a frozen dataclass, and PostgreSQL is handed it as it is.
    Its columns are its fields, in their order, and their SQL types follow from the fields' annotations.
    `key_of` names the one row that a record touches, None when it touches none. `evolve` gives that row as the record leaves
    it, None when there still is none; it is pure and accepts every record. Every row depends on one partition only.
    `one_record_a_row`: a row is made from its record alone, so there is nothing to load before folding.
    `indexes`: column lists, beside the key's own index.
    """

    name: str
    row: type[RowT]
    key: tuple[str, ...]
    key_of: Callable[[RecordedMessage], Key | None]
    evolve: Callable[[RowT | None, RecordedMessage], RowT | None]
    indexes: tuple[tuple[str, ...], ...] = ()
    one_record_a_row: bool = False

    def __post_init__(self) -> None:
        if not set(self.key) <= set(self.row._fields):
            raise TypeError(f"table {self.name}: the key {self.key} is not among its columns")

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """Each column's SQL type."""
        hints = get_type_hints(self.row, include_extras=True)
        return {name: _sql_type(hints[name]) for name in self.row._fields}


def _sql_type(hint: Any) -> str:
    """What the annotation says; for a field that may be None, what it says beside None."""
    # An annotated type | None is typing's Union, any other a UnionType.
    options = [option for option in get_args(hint) if option is not type(None)] if get_origin(hint) in {Union, UnionType} else [hint]
    option = options[0] if len(options) == 1 else object
    if get_origin(option) is Annotated:
        plain, *notes = get_args(option)
        named = [note.name for note in notes if isinstance(note, SqlType)]
        return named[0] if named else _sql_type(plain)
    return _SQL_TYPES.get(option, _JSON)
