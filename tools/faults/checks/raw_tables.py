"""The read models as PostgreSQL holds them: samples taken during the run, whole tables at its end."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg.rows import dict_row, tuple_row

Row = dict[str, Any]

_LIVE = "select schema from projections.live"
_SUMS = """
select c.partition, c.next_offset,
    (select count(*) from {schema}.order_history t where t.partition = c.partition),
    (select coalesce(max(record_offset), -1) from {schema}.order_history t where t.partition = c.partition),
    (select count(*) from {schema}.command_outcomes t where t.partition = c.partition),
    (select count(*) from {schema}.order_details t where t.partition = c.partition),
    (select coalesce(sum(version), 0) from {schema}.order_details t where t.partition = c.partition),
    (select coalesce(sum(orders), 0) from {schema}.customer_summaries t where t.partition = c.partition),
    (select coalesce(sum(units), 0) from {schema}.customer_summaries t where t.partition = c.partition),
    (select coalesce(sum(orders), 0) from {schema}.daily_sales t where t.partition = c.partition),
    (select coalesce(sum(revenue), 0) from {schema}.daily_sales t where t.partition = c.partition)
from {schema}.checkpoints c order by c.partition
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of a partition's tables in one snapshot of the database, with the checkpoint in the same snapshot."""

    next_offset: int
    history: int
    last_offset: int
    outcomes: int
    orders: int
    versions: int
    customers_orders: int
    customers_units: int
    sales_orders: int
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Sample:
    """All partitions' sums, and when they were taken, in seconds since 1970 (a moment after the snapshot)."""

    at: float
    partitions: Mapping[int, Sums]


async def _snapshot(url: str) -> AsyncConnection[Any]:
    connection = await AsyncConnection.connect(url, connect_timeout=5, options="-c timezone=UTC")
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    return connection


async def _schema(connection: AsyncConnection[Any]) -> str:
    row = await (await connection.execute(_LIVE)).fetchone()
    if row is None:
        raise psycopg.OperationalError("no generation is live")
    return str(row[0])


class Sampler:
    """Takes samples of the tables now and then during a run."""

    def __init__(self, url: str, *, every_s: float) -> None:
        self.samples: list[Sample] = []
        self._url = url
        self._every_s = every_s

    async def run(self) -> None:
        """Sample until cancelled; while PostgreSQL is away there is nothing to see."""
        while True:
            try:
                self.samples.append(await take_sample(self._url))
            except psycopg.Error:
                await asyncio.sleep(0.5)
            await asyncio.sleep(self._every_s)


async def take_sample(url: str) -> Sample:
    """The sums of all partitions in one snapshot. Raises psycopg.Error."""
    async with await _snapshot(url) as connection, connection.cursor(row_factory=tuple_row) as cursor:
        schema = sql.Identifier(await _schema(connection))
        rows = await (await cursor.execute(sql.SQL(_SUMS).format(schema=schema))).fetchall()
    return Sample(time.time(), {row[0]: Sums(*row[1:]) for row in rows})


async def read_tables(url: str, partition: int, columns: Mapping[str, tuple[str, ...]]) -> tuple[int, dict[str, list[Row]]]:
    """A partition's checkpoint, and these columns of all its rows, in one snapshot. Raises psycopg.Error."""
    async with await _snapshot(url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        schema = await _schema(connection)
        at = sql.SQL("select next_offset from {} where partition = %s").format(sql.Identifier(schema, "checkpoints"))
        checkpoint = await (await cursor.execute(at, (partition,))).fetchone()
        tables = {}
        for table, names in columns.items():
            wanted = sql.SQL(", ").join(map(sql.Identifier, names))
            select = sql.SQL("select {} from {} where partition = %s").format(wanted, sql.Identifier(schema, table))
            tables[table] = await (await cursor.execute(select, (partition,))).fetchall()
    return (checkpoint["next_offset"] if checkpoint else -1), tables
