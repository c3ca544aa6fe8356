"""Records that a fold could not take, and later records of the same order that wait behind them: by table, durable, in the log's order.

They stand in the generation's own schema and are written in the transaction that moves its checkpoint: a record is folded,
parked, or still to come, never two of these and never none.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row

from event_schemas.decoding import decode_record
from event_schemas.recorded import RecordedMessage
from infra.postgres.table_fold import Refused

ParkedState = Literal["poison", "waiting", "discarded"]

CREATE_TABLE = sql.SQL(
    "create table if not exists {0}.parked (table_name text, partition integer, record_offset bigint, order_id uuid not null, "
    "state text not null check (state in ('poison', 'waiting', 'discarded')), reason text, appended_ms bigint not null, "
    "command_offset bigint not null, value bytea not null, primary key (table_name, partition, record_offset)); "
    "create index if not exists parked_orders on {0}.parked (order_id)"
)

_COLUMNS = "table_name, partition, record_offset, order_id, state, reason, appended_ms, command_offset, value"
_ORDER = " order by partition, order_id, table_name, record_offset"
_HELD = "select distinct table_name, order_id from {} where partition = any(%s) and state <> 'discarded'"
_ADD = (
    "insert into {} (table_name, partition, record_offset, order_id, state, reason, appended_ms, command_offset, value) "
    "values (%s, %s, %s, %s, %s, %s, %s, %s, %s) "
    # The record may be parked by an earlier fold already; a record that was given up stays given up.
    "on conflict (table_name, partition, record_offset) do update set reason = excluded.reason"
)


@dataclass(frozen=True, slots=True)
class Parked:
    """One record that one table has not taken. `reason`: what the fold raised; None for one that waits behind another."""

    table_name: str
    partition: int
    record_offset: int
    order_id: UUID
    state: ParkedState
    reason: str | None
    appended_ms: int
    command_offset: int
    value: bytes

    @classmethod
    def of(cls, table_name: str, refused: Refused, *, discarded: bool = False) -> "Parked":
        """The stored form of what a fold refused."""
        counted, reason = refused.counted, refused.reason
        state: ParkedState = "discarded" if discarded else "poison" if reason is not None else "waiting"
        order_id, value = counted.record.order_id, counted.value
        return cls(
            table_name, counted.partition, counted.offset, order_id, state, reason, counted.timestamp_ms, counted.command_offset, value
        )

    def counted(self) -> RecordedMessage:
        """The record as it came from the log."""
        return RecordedMessage(
            decode_record(self.value), self.partition, self.record_offset, self.appended_ms, self.command_offset, self.value
        )


@lru_cache(maxsize=64)
def _on(schema: str, statement: LiteralString) -> bytes:
    return sql.SQL(statement).format(sql.Identifier(schema, "parked")).as_bytes(None)


async def held_orders(connection: AsyncConnection[Any], schema: str, partitions: Iterable[int]) -> Mapping[str, Set[UUID]]:
    """Per table, the orders of these partitions of which records wait; the caller holds the partitions' checkpoints."""
    held: dict[str, set[UUID]] = defaultdict(set)
    cursor = await connection.execute(_on(schema, _HELD), (sorted(partitions),))
    for table_name, order_id in await cursor.fetchall():
        held[table_name].add(order_id)
    return held


async def park(connection: AsyncConnection[Any], schema: str, parked: Sequence[Parked]) -> None:
    """Keep these records, in the transaction that passes them."""
    if not parked:
        return
    rows = [tuple(getattr(one, name) for name in Parked.__slots__) for one in parked]
    async with connection.cursor() as cursor:
        await cursor.executemany(_on(schema, _ADD), rows)


async def find_parked(
    connection: AsyncConnection[Any],
    schema: str,
    *,
    order_id: UUID | None = None,
    partition: int | None = None,
    states: Sequence[ParkedState] = ("poison", "waiting"),
) -> list[Parked]:
    """What is parked, of one order, of one partition or all; per order and table in the order of the log."""
    statement = f"select {_COLUMNS} from {{}} where state = any(%(states)s)"  # noqa: S608 - our own names
    statement += " and order_id = %(order_id)s" if order_id is not None else ""
    statement += " and partition = %(partition)s" if partition is not None else ""
    async with connection.cursor(row_factory=class_row(Parked)) as cursor:
        wanted = {"states": list(states), "order_id": order_id, "partition": partition}
        return await (await cursor.execute(_on(schema, statement + _ORDER), wanted)).fetchall()


async def parked_tables(
    connection: AsyncConnection[Any], schema: str, order_id: UUID, *, record: tuple[int, int] | None = None
) -> list[str]:
    """The tables that are not complete for this order; with `record` (partition, offset), only those that lack that record."""
    statement = "select distinct table_name from {} where order_id = %s and state <> 'discarded'"
    statement += " and partition = %s and record_offset = %s" if record else ""
    cursor = await connection.execute(_on(schema, statement + " order by table_name"), (order_id, *(record or ())))
    return [name for (name,) in await cursor.fetchall()]


async def discarded_offsets(connection: AsyncConnection[Any], schema: str, partition: int) -> Mapping[str, Set[int]]:
    """Per table, the records of this partition that were given up."""
    discarded: dict[str, set[int]] = defaultdict(set)
    for one in await find_parked(connection, schema, partition=partition, states=("discarded",)):
        discarded[one.table_name].add(one.record_offset)
    return discarded


async def unpark(connection: AsyncConnection[Any], schema: str, parked: Sequence[Parked]) -> None:
    """Delete these: they have been folded, in the same transaction."""
    statement = _on(schema, "delete from {} where table_name = %s and partition = %s and record_offset = %s")
    async with connection.cursor() as cursor:
        await cursor.executemany(statement, [(one.table_name, one.partition, one.record_offset) for one in parked])


async def set_state(connection: AsyncConnection[Any], schema: str, parked: Parked, state: ParkedState, reason: str | None) -> None:
    statement = _on(schema, "update {} set state = %s, reason = %s where table_name = %s and partition = %s and record_offset = %s")
    await connection.execute(statement, (state, reason, parked.table_name, parked.partition, parked.record_offset))
