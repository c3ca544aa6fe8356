"""The floor of `project`: reads and decodes the log, and writes the rows that a real run made of it, in one plain loop.

Nothing is folded, loaded or checked; a row is found by its key among those that the run before left in the live schema.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from psycopg import AsyncConnection, sql

from event_schemas.recorded import RecordedMessage, classify
from event_schemas.topics import EVENTS
from infra.kafka.clients import new_reader
from infra.postgres.connections import connection_arguments
from infra.postgres.table_definition import Key, TableDefinition
from infra.postgres.table_sql import key_of_row, save_rows, table_sql
from infra.process.settings import Settings
from projections.store.checkpoints import CREATE_ROWS, CREATE_TABLE
from projections.tables.registry import TABLES

FLOOR_SCHEMA = "bench_floor"
_RECORDS = 2_000
"""Records of one fetch, as the worker takes them."""
Rows = dict[Key, Any]
_SAVE = sql.SQL("update {} set next_offset = %s where partition = %s").format(sql.Identifier(FLOOR_SCHEMA, "checkpoints"))


async def _rows(connection: AsyncConnection[Any], schema: str, table: TableDefinition[Any]) -> Rows:
    found = await connection.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, table.name)), binary=True)
    rows = [table.row(*values) for values in await found.fetchall()]
    return {key_of_row(table, row): row for row in rows}


async def _prepare(connection: AsyncConnection[Any], partitions: int) -> list[Rows]:
    """An empty schema of the same tables, indexes included; and the rows that are to be written."""
    live = await (await connection.execute("select schema from projections.live")).fetchone()
    assert live is not None, "a real run comes first"
    rows = [await _rows(connection, live[0], table) for table in TABLES]
    schema = sql.Identifier(FLOOR_SCHEMA)
    await connection.execute(sql.SQL("create schema {}").format(schema))
    for table in TABLES:
        statements = table_sql(table, FLOOR_SCHEMA)
        for statement in (statements.create, *statements.index):
            await connection.execute(statement)
    await connection.execute(CREATE_TABLE.format(schema))
    await connection.execute(CREATE_ROWS.format(schema), (partitions - 1,))
    return rows


async def _write(connection: AsyncConnection[Any], rows: Sequence[Rows], pieces: dict[TopicPartition, list[ConsumerRecord]]) -> None:
    counted = [one for records in pieces.values() for record in records if isinstance(one := classify(record), RecordedMessage)]
    async with connection.transaction():
        for table, known in zip(TABLES, rows, strict=True):
            keys = dict.fromkeys(key for one in counted if (key := table.key_of(one)) is not None)
            await save_rows(connection, table, FLOOR_SCHEMA, [known[key] for key in keys])
        for tp, records in pieces.items():
            await connection.execute(_SAVE, (records[-1].offset + 1, tp.partition))


async def _read_from_the_beginning(settings: Settings) -> AIOKafkaConsumer:
    reader = new_reader(settings, "bench-floor")
    await reader.start()
    tps = [TopicPartition(EVENTS, partition) for partition in range(settings.partitions)]
    reader.assign(tps)
    for tp in tps:
        reader.seek(tp, 0)
    return reader


async def _run(settings: Settings) -> None:
    async with await psycopg.AsyncConnection.connect(**connection_arguments(settings, "bench-floor"), autocommit=True) as connection:
        rows = await _prepare(connection, settings.partitions)
        reader = await _read_from_the_beginning(settings)
        while True:
            pieces = await reader.getmany(timeout_ms=200, max_records=_RECORDS)
            if pieces:
                await _write(connection, rows, pieces)


def main() -> None:
    """Work until ended."""
    uvloop.run(_run(Settings()))


if __name__ == "__main__":
    main()
