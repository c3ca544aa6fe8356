"""Making a filled generation as complete as a live one: keys and indexes, made last because filling is faster without."""

import asyncio
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.errors import UniqueViolation

from infra.postgres.connections import connection_arguments
from infra.postgres.table_definition import TableDefinition
from infra.postgres.table_sql import table_sql
from infra.process.settings import Settings
from projections.tables.registry import TABLES

_HAS_KEY = "select exists (select from pg_constraint where contype = 'p' and conrelid = to_regclass(%s))"
_MEMORY = "set maintenance_work_mem = '128MB'"
_ALONE = "set max_parallel_maintenance_workers = 0"
_BESIDE = 2
"""How many more tables than processors are indexed at once: making an index waits for the disk part of the time."""


async def make_indexes(settings: Settings, schema: str, *, processors: int, gently: bool) -> None:
    """Add what is missing; killed half-way, it is repeated and goes on where it was. Raises psycopg's errors.

    `processors`: that may be busy with it. `gently`: one table at a time, by one process of PostgreSQL, so that a processor is left
    for readers.
    """
    left = list(TABLES)

    async def work_off() -> None:
        async with await AsyncConnection.connect(**connection_arguments(settings, "orders-rebuild"), autocommit=True) as connection:
            await connection.execute(_MEMORY)
            if gently:
                await connection.execute(_ALONE)
            while left:
                await _complete(connection, left.pop(0), schema)

    workers = [asyncio.create_task(work_off()) for _ in range(1 if gently else min(processors + _BESIDE, len(left)))]
    try:
        await asyncio.gather(*workers)
    finally:  # one failed: stop the others as well
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)


async def _complete(connection: AsyncConnection[Any], definition: TableDefinition[Any], schema: str) -> None:
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
        # Two records that count for one key, which only a manual write can cause; the live path lets the later one replace the first.
        await connection.execute(_without_earlier(definition, table))
        await connection.execute(statement)


def _without_earlier(definition: TableDefinition[Any], table: sql.Identifier) -> sql.Composed:
    same = sql.SQL(" and ").join(sql.SQL("earlier.{0} = later.{0}").format(sql.Identifier(name)) for name in definition.key)
    return sql.SQL("delete from {0} earlier using {0} later where {1} and earlier.ctid < later.ctid").format(table, same)
