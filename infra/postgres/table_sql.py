"""The SQL of a table: made once per table and schema from its definition."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, sql

from infra.postgres.binary_arrays import SENT_AS_TEXT, ColumnArray, column_array, execute
from infra.postgres.table_definition import Key, RowT, TableDefinition


@dataclass(frozen=True)
class TableSql:
    """The statements of one table in one schema. `load` takes `key_arrays`, `save` takes `row_arrays`.

    `load` and `save` are composed once: composing a statement costs more than sending it. `create` makes the table with its key;
    `create_bare` without, for filling it first: `key` then adds the key.
    """

    create: sql.Composed
    create_bare: sql.Composed
    key: sql.Composed
    index: Sequence[sql.Composed]
    load: bytes
    save: bytes


@lru_cache(maxsize=64)
def table_sql(definition: TableDefinition[Any], schema: str) -> TableSql:
    """The statements of this table in this schema."""
    table = sql.Identifier(schema, definition.name)
    return TableSql(
        create=_create(definition, table, sql.SQL(", primary key ({})").format(_names(definition.key))),
        create_bare=_create(definition, table, sql.Composed([])),
        key=sql.SQL("alter table {} add primary key ({})").format(table, _names(definition.key)),
        index=_indexes(definition, table),
        load=_load(definition, table).as_bytes(None),
        save=_save(definition, table).as_bytes(None),
    )


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _create(definition: TableDefinition[Any], table: sql.Identifier, key: sql.Composed) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(name), _own(kind)) for name, kind in definition.columns.items())
    return sql.SQL("create table {} ({}{})").format(table, columns, key)


def _indexes(definition: TableDefinition[Any], table: sql.Identifier) -> list[sql.Composed]:
    # Named, so that making them can be repeated: half of them may be there when a rebuild is resumed.
    return [
        sql.SQL("create index if not exists {} on {} ({})").format(
            sql.Identifier(f"{definition.name}_{number}"), table, _own(", ".join(columns))
        )
        for number, columns in enumerate(definition.indexes, start=1)
    ]


def _load(definition: TableDefinition[Any], table: sql.Identifier) -> sql.Composed:
    keys = unnested([definition.columns[name] for name in definition.key])
    return sql.SQL("select {} from unnest({}) as wanted ({}) join {} using ({})").format(
        _names(list(definition.columns)), keys, _names(definition.key), table, _names(definition.key)
    )


def _save(definition: TableDefinition[Any], table: sql.Identifier) -> sql.Composed:
    names, key = list(definition.columns), definition.key
    updates = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names if name not in key)
    return sql.SQL("insert into {} ({}) select * from unnest({}) on conflict ({}) do update set {}").format(
        table, _names(names), unnested(definition.columns.values()), _names(key), updates
    )


def unnested(kinds: Iterable[str]) -> sql.Composed:
    """The arguments of `unnest` that take one `column_array` for each of these types."""
    return sql.SQL(", ").join(sql.SQL("%b::text[]::{}[]" if kind in SENT_AS_TEXT else "%b::{}[]").format(_own(kind)) for kind in kinds)


def _own(text: str) -> sql.SQL:
    return sql.SQL(text)  # types and column lists from our own code, never from outside


def key_arrays(definition: TableDefinition[Any], keys: Sequence[Key]) -> list[ColumnArray]:
    """The parameters of `load`: one array per key column. There must be a key."""
    kinds = [definition.columns[name] for name in definition.key]
    return [column_array(kind, values) for kind, values in zip(kinds, zip(*keys, strict=True), strict=True)]


def row_arrays(definition: TableDefinition[RowT], rows: Sequence[RowT]) -> list[ColumnArray]:
    """The parameters of `save`: one array per column. There must be a row."""
    return [column_array(kind, values) for kind, values in zip(definition.columns.values(), zip(*rows, strict=True), strict=True)]


def key_of_row(definition: TableDefinition[RowT], row: RowT) -> Key:
    """The values of the row's key columns."""
    return tuple(getattr(row, name) for name in definition.key)


async def load_rows(
    connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, keys: Sequence[Key]
) -> list[tuple[Key, RowT]]:
    """The existing rows among these keys."""
    return await asked_rows(definition, await ask_rows(connection, definition, schema, keys)) if keys else []


async def ask_rows(
    connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, keys: Sequence[Key]
) -> AsyncCursor[Any]:
    """Ask for these rows, at least one: in a pipeline without waiting for them."""
    return await execute(connection, table_sql(definition, schema).load, key_arrays(definition, keys), binary=True)


async def asked_rows(definition: TableDefinition[RowT], asked: AsyncCursor[Any]) -> list[tuple[Key, RowT]]:
    """The existing rows among those asked for."""
    rows = [definition.row(*values) for values in await asked.fetchall()]
    return [(key_of_row(definition, row), row) for row in rows]


async def save_rows(connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, rows: Sequence[RowT]) -> None:
    """Write these rows, whether they are there or not."""
    if rows:
        await execute(connection, table_sql(definition, schema).save, row_arrays(definition, rows))
