"""Checkpoints: per generation and partition, how far the log has been applied. A row exists from the generation's creation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything of the partition below `next_offset` is applied.

    The last record that counted is remembered by its id, and the partition's first by the digest that stands in the log's
    identity: with them a checkpoint says which log it comes from.
    """

    partition: int
    next_offset: int
    last_record_offset: int | None = None
    last_record_id: UUID | None = None
    first_record: bytes | None = None


CREATE_TABLE = sql.SQL(
    "create table {}.checkpoints (partition integer primary key, next_offset bigint not null, "
    "last_record_offset bigint, last_record_id uuid, first_record bytea)"
)
CREATE_ROWS = sql.SQL("insert into {}.checkpoints (partition, next_offset) select partition, 0 from generate_series(0, %s) as partition")
"""With the highest partition as parameter."""

_COLUMNS = sql.SQL("partition, next_offset, last_record_offset, last_record_id, first_record")
_SAVE: LiteralString = (
    "update {0} as kept set next_offset = new.next_offset, last_record_offset = new.last_record_offset, "
    "last_record_id = new.last_record_id, first_record = new.first_record "
    "from unnest(%b::integer[], %b::bigint[], %b::bigint[], %b::uuid[], %b::bytea[]) as new ({1}) "
    "where kept.partition = new.partition"
)


_READ = "select {1} from {0}"
_LOCK = "select {1} from {0} where partition = any(%s) order by partition for update"


@lru_cache(maxsize=64)
def _on(schema: str, statement: LiteralString) -> bytes:
    return sql.SQL(statement).format(sql.Identifier(schema, "checkpoints"), _COLUMNS).as_bytes(None)


async def read_checkpoints(connection: AsyncConnection[Any], schema: str) -> list[Checkpoint]:
    """The checkpoints of all partitions, as they are now."""
    return await _select(connection, _on(schema, _READ))


async def lock_checkpoints(connection: AsyncConnection[Any], schema: str, partitions: Iterable[int]) -> list[Checkpoint]:
    """The checkpoints, locked until the transaction ends, always in the same order.

    A worker that lost the partition blocks here, then sees that the checkpoint has moved.
    """
    return await _select(connection, _on(schema, _LOCK), (sorted(partitions),))


async def _select(connection: AsyncConnection[Any], statement: bytes, parameters: Sequence[Any] = ()) -> list[Checkpoint]:
    async with connection.cursor(row_factory=class_row(Checkpoint)) as cursor:
        return await (await cursor.execute(statement, parameters)).fetchall()


async def save_checkpoints(connection: AsyncConnection[Any], schema: str, checkpoints: Sequence[Checkpoint]) -> None:
    """Move these checkpoints, which the caller has locked, in the transaction that saves the rows."""
    columns = [list(map(attrgetter(name), checkpoints)) for name in Checkpoint.__slots__]
    await connection.execute(_on(schema, _SAVE), columns)
