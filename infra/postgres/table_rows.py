"""Rows of a table by their keys: loaded, saved and deleted in one statement each, inside the caller's transaction."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection, AsyncCursor

from infra.postgres.binary_arrays import execute
from infra.postgres.table_definition import Key, RowT, TableDefinition
from infra.postgres.table_sql import key_arrays, row_arrays, table_sql


def key_of_row(definition: TableDefinition[RowT], row: RowT) -> Key:
    """The values of the row's key columns."""
    return tuple(getattr(row, name) for name in definition.key)


async def load_rows(
    connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, keys: Sequence[Key]
) -> list[tuple[Key, RowT]]:
    """Those of these rows that are there."""
    return await asked_rows(definition, await ask_rows(connection, definition, schema, keys)) if keys else []


async def ask_rows(
    connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, keys: Sequence[Key]
) -> AsyncCursor[Any]:
    """Ask for these rows, at least one: in a pipeline without waiting for them."""
    return await execute(connection, table_sql(definition, schema).load, key_arrays(definition, keys), binary=True)


async def asked_rows(definition: TableDefinition[RowT], asked: AsyncCursor[Any]) -> list[tuple[Key, RowT]]:
    """Those of the rows asked for that are there."""
    rows = [definition.row(*values) for values in await asked.fetchall()]
    return [(key_of_row(definition, row), row) for row in rows]


async def save_rows(connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, rows: Sequence[RowT]) -> None:
    """Write these rows, whether they are there or not."""
    if rows:
        await execute(connection, table_sql(definition, schema).save, row_arrays(definition, rows))


async def delete_rows(connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, keys: Sequence[Key]) -> None:
    """Take these rows out."""
    if keys:
        await execute(connection, table_sql(definition, schema).delete, key_arrays(definition, keys))
