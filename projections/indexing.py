"""Making a filled generation as complete as a live one: keys and indexes, made last because filling is faster without."""

from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.errors import UniqueViolation

from infra.table_definition import TableDefinition
from infra.table_sql import table_sql
from projections.tables import TABLES

_HAS_KEY = "select exists (select from pg_constraint where contype = 'p' and conrelid = to_regclass(%s))"
_MEMORY = "set maintenance_work_mem = '128MB'"


async def make_indexes(connection: AsyncConnection[Any], schema: str) -> None:
    """Add what is missing, one statement after the other; killed half-way, it is repeated and goes on where it was."""
    await connection.execute(_MEMORY)
    for definition in TABLES:
        await _make_key(connection, definition, schema)
        for statement in table_sql(definition, schema).index:
            await connection.execute(statement)
        # Without it, the first reads would be planned for an empty table.
        await connection.execute(sql.SQL("analyze {}").format(sql.Identifier(schema, definition.name)))


async def _make_key(connection: AsyncConnection[Any], definition: TableDefinition[Any], schema: str) -> None:
    table = sql.Identifier(schema, definition.name)
    if await (await connection.execute(_HAS_KEY, (table.as_string(connection),))).fetchone() == (True,):
        return
    statement = table_sql(definition, schema).key
    try:
        await connection.execute(statement)
    except UniqueViolation:
        # Two records that count for one key, which only a hand can write; the live path lets the later one replace the first.
        await connection.execute(_without_earlier(definition, table))
        await connection.execute(statement)


def _without_earlier(definition: TableDefinition[Any], table: sql.Identifier) -> sql.Composed:
    same = sql.SQL(" and ").join(sql.SQL("earlier.{0} = later.{0}").format(sql.Identifier(name)) for name in definition.key)
    return sql.SQL("delete from {0} earlier using {0} later where {1} and earlier.ctid < later.ctid").format(table, same)
