"""The least that a rebuild could cost: read the same records, decode them, and COPY the rows that a rebuild made of them.

No folding, no checkpoints, no indexes. The rows are fetched before the clock starts.
"""

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue

import psycopg
import uvloop
from psycopg import AsyncConnection, sql

from event_schemas.recorded import classify
from infra.event_log.reader import log_ends, read_range, stop_quietly
from infra.kafka.clients import new_reader
from infra.postgres.connections import connection_arguments
from infra.postgres.table_copy import copy_rows
from infra.postgres.table_sql import table_sql
from infra.process.settings import Settings
from projections.tables.registry import TABLES

_BARE = "bench_least"


@dataclass(frozen=True)
class _Least:
    settings: Settings
    schema: str
    partitions: list[int]


def _least(work: _Least, seconds: "SimpleQueue[tuple[float, float]]") -> None:
    seconds.put(uvloop.run(_read_decode_copy(work)))


async def _read_decode_copy(work: _Least) -> tuple[float, float]:
    spent = used = 0.0
    reader = new_reader(work.settings, "bench")
    await reader.start()
    ends = await log_ends(reader)
    async with await AsyncConnection.connect(**connection_arguments(work.settings, "bench"), autocommit=True) as connection:
        for partition in work.partitions:
            rows = {}
            for table in TABLES:
                name = sql.Identifier(work.schema, table.name)
                found = await connection.execute(sql.SQL("select * from {} where partition = %s").format(name), (partition,), binary=True)
                rows[table.name] = [table.row(*values) for values in await found.fetchall()]
            began, before = time.monotonic(), time.process_time()
            async for records in read_range(reader, partition, 0, ends[partition]):
                for record in records:
                    classify(record)
            for table in TABLES:
                await copy_rows(connection, table, _BARE, rows[table.name])
            spent += time.monotonic() - began
            used += time.process_time() - before
    await stop_quietly(reader)
    return spent, used


def time_least(settings: Settings, schema: str, workers: int) -> tuple[float, float]:
    """Copy the rows of the finished generation `schema` into tables beside it; seconds of the slowest process, and CPU seconds of all."""
    with psycopg.connect(**connection_arguments(settings, "bench"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(_BARE)))
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(_BARE)))
        for table in TABLES:
            connection.execute(table_sql(table, _BARE).create_bare)
    context = multiprocessing.get_context("spawn")
    seconds: SimpleQueue[tuple[float, float]] = context.SimpleQueue()
    shares = [_Least(settings, schema, list(range(number, settings.partitions, workers))) for number in range(workers)]
    processes = [context.Process(target=_least, args=(share, seconds)) for share in shares]
    for process in processes:
        process.start()
    spent = [seconds.get() for _ in processes]
    for process in processes:
        process.join()
    return max(one for one, _ in spent), sum(cpu for _, cpu in spent)
