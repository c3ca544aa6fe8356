"""What a table of a read model is: its columns, and the pure fold that fills it. Infra stores it, a service declares it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from event_schemas.recorded import RecordedMessage

RowT = TypeVar("RowT", bound=NamedTuple)
Key = tuple[Any, ...]
"""The values of a row's key columns, in the order of `TableDefinition.key`."""


@dataclass(frozen=True, eq=False)
class TableDefinition(Generic[RowT]):
    """A table and its fold.

    A row is a named tuple: made in a fifth of the time of a frozen dataclass, and PostgreSQL is handed it as it is.
    `columns` maps each of its fields, in their order, to an SQL type; a `jsonb` column holds plain JSON values.
    `key_of` names the one row that a record touches, None when it touches none. `evolve` gives that row as the record leaves
    it, None when there still is none; it is pure and accepts every record. Every row depends on one partition only.
    `one_record_a_row`: a row is made from its record alone, so there is nothing to load before folding.
    `indexes`: column lists, beside the key's own index.
    """

    name: str
    row: type[RowT]
    columns: Mapping[str, str]
    key: tuple[str, ...]
    key_of: Callable[[RecordedMessage], Key | None]
    evolve: Callable[[RowT | None, RecordedMessage], RowT | None]
    indexes: tuple[tuple[str, ...], ...] = ()
    one_record_a_row: bool = False

    def __post_init__(self) -> None:
        named = list(self.row._fields)
        if named != list(self.columns):
            raise TypeError(f"table {self.name}: the row's fields {named} are not the columns {list(self.columns)}")
        if not set(self.key) <= set(named):
            raise TypeError(f"table {self.name}: the key {self.key} is not among its columns")
