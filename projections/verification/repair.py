"""Rewriting drifted rows, and only those: under the checkpoint's lock, as the log says at that moment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection, sql

from event_schemas.recorded import RecordedMessage, classify
from infra.event_log.reader import read_range
from infra.postgres.table_definition import TableDefinition
from infra.postgres.table_sql import key_of_row, save_rows
from projections.store.checkpoints import Checkpoint, lock_checkpoints, save_checkpoints
from projections.store.generations import live_generation
from projections.store.parked import Parked, held_orders, park, unpark
from projections.tables.registry import TABLES
from projections.verification.drift import Drift, Findings, delete_by_text, drifted_rows, text_key
from projections.verification.refold import fold_on

_TABLES: Mapping[str, TableDefinition[Any]] = {table.name: table for table in TABLES}


@dataclass
class Repaired:
    """What was done. `left`: drifted rows that were not touched, each with the reason."""

    rows: int = 0
    left: list[str] = field(default_factory=list)


async def repair(connection: AsyncConnection[Any], reader: AIOKafkaConsumer, findings: Findings) -> Repaired:
    """Put right what was found, one transaction a partition. Rows that came right meanwhile are left alone."""
    by_partition: dict[int, list[Drift]] = defaultdict(list)
    for drift in findings.drifts:
        by_partition[drift.partition].append(drift)
    done = Repaired()
    for partition, drifts in sorted(by_partition.items()):
        async with connection.transaction():
            generation = await live_generation(connection, for_share=True)
            if generation is None or generation.schema != findings.schema:
                done.left.append(f"{findings.schema} is no longer the live generation: verify again")
                return done
            await _Partition(connection, reader, findings, partition, done).repair(drifts)
    return done


class _Partition:
    """One partition's repair, inside a transaction that keeps workers out of it."""

    def __init__(
        self, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, findings: Findings, partition: int, done: Repaired
    ) -> None:
        self._connection, self._reader, self._schema = connection, reader, findings.schema
        self._partition, self._end, self._done = partition, findings.ends.get(partition), done

    async def repair(self, drifts: Sequence[Drift]) -> None:
        locked = await lock_checkpoints(self._connection, self._schema, [self._partition])
        next_offset = await self._checkpoint(locked, [drift for drift in drifts if drift.table == "checkpoints"])
        await self._parked([drift for drift in drifts if drift.table == "parked"])
        since = await self._since(next_offset)
        held = await held_orders(self._connection, self._schema, [self._partition])
        for drift in drifts:
            if drift.table in _TABLES:
                waiting = held.get(drift.table, frozenset())
                applied = [counted for counted in since if counted.record.order_id not in waiting]
                await self._row(_TABLES[drift.table], drift, applied)

    async def _checkpoint(self, locked: Sequence[Checkpoint], drifts: Sequence[Drift]) -> int:
        """Where the rows end, after the checkpoint was put right."""
        for drift in drifts:
            if drift.kind == "extra":
                await self._connection.execute(self._on("delete from {} where partition = %s", "checkpoints"), (self._partition,))
                self._done.rows += 1
                return 0
            if drift.kind == "missing":
                statement = self._on("insert into {} (partition, next_offset) values (%s, 0)", "checkpoints")
                await self._connection.execute(statement, (self._partition,))
            elif not _as_found(locked[0], drift):
                await self._moved_checkpoint(locked[0], drift)
                continue
            await save_checkpoints(self._connection, self._schema, [drift.expected])
            self._done.rows += 1
            return int(drift.expected.next_offset)
        return locked[0].next_offset if locked else 0

    async def _moved_checkpoint(self, locked: Checkpoint, drift: Drift) -> None:
        """Repair a checkpoint that a worker moved since and so mostly rewrote: only the part that names the log's beginning is old."""
        if any(one.name == "first_record" for one in drift.fields):
            await save_checkpoints(self._connection, self._schema, [replace(locked, first_record=drift.expected.first_record)])
            self._done.rows += 1
        else:
            self._done.left.append(f"checkpoint {self._partition} has moved since: verify again")

    async def _parked(self, drifts: Sequence[Drift]) -> None:
        for drift in drifts:
            table_name, partition, record_offset = drift.row_key or ("", 0, 0)
            await unpark(self._connection, self._schema, [_at(str(table_name), int(partition), int(record_offset))])
            await park(self._connection, self._schema, [drift.expected] if drift.expected else [])
            self._done.rows += 1

    async def _since(self, next_offset: int) -> list[RecordedMessage]:
        """The records that were applied after the verified snapshot."""
        if self._end is None or next_offset <= self._end:
            return []
        pieces = read_range(self._reader, self._partition, self._end, next_offset)
        verdicts = [classify(record) async for records in pieces for record in records]
        return [verdict for verdict in verdicts if isinstance(verdict, RecordedMessage)]

    async def _row(self, table: TableDefinition[Any], drift: Drift, since: Sequence[RecordedMessage]) -> None:
        key = drift.row_key
        if key is None:  # an extra row: the log may have reached it since
            key = next((one for counted in since if (one := table.key_of(counted)) is not None and text_key(one) == drift.key), None)
        expected = drift.expected if key is None else fold_on(table, drift.expected, key, since)
        if expected is None:
            await delete_by_text(self._connection, table, self._schema, drift.key)
        elif not await drifted_rows(self._connection, table, self._schema, [expected], self._partition):
            return
        else:
            assert text_key(key_of_row(table, expected)) == drift.key
            await save_rows(self._connection, table, self._schema, [expected])
        self._done.rows += 1

    def _on(self, statement: str, table: str) -> sql.Composed:
        return sql.SQL(statement).format(sql.Identifier(self._schema, table))


def _as_found(locked: Checkpoint, drift: Drift) -> bool:
    """Whether the checkpoint still holds what was found to be wrong."""
    expected: Checkpoint = drift.expected
    there = {one.name: one.there for one in drift.fields}
    claimed = int(there.get("next_offset") or expected.next_offset)
    return locked.next_offset == claimed


_NOBODY = UUID(int=0)


def _at(table_name: str, partition: int, record_offset: int) -> Parked:
    """A parked record that is named by its place only, for deleting it."""
    return Parked(table_name, partition, record_offset, _NOBODY, "poison", None, 0, 0, b"")
