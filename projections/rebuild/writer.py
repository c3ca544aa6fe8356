"""Applying the log to a generation that is not live: the same runs and folds as the live path, in large pieces.

It is silent: it writes to the generation's schema and nowhere else. Unreadable records are passed by; the live path keeps
them among the dead letters.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from psycopg import AsyncConnection

from event_schemas.recorded import RecordedMessage
from event_schemas.topics import EVENTS
from infra.errors import LogUnreadable
from infra.event_log.reader import read_ranges
from projections.live.runs import run_at
from projections.rebuild.table_filling import TableFilling
from projections.store.checkpoints import Checkpoint, lock_checkpoints, read_checkpoints, save_checkpoints
from projections.store.parked import Parked, discarded_offsets, held_orders, park
from projections.tables.registry import TABLES

_PIECE = 1_000
_SAVE_RECORDS = 10_000

Applied = Callable[[Sequence[RecordedMessage]], None]


class Poison(Exception):
    """A fold can't take a record; the text says which one, why, and what to do."""


class Overtaken(Exception):
    """Another writer moved the checkpoint: this writer's memory is stale."""


class NewerRecord(Exception):
    """A later release wrote a record; the text says what to do."""


class GenerationWriter:
    """One partition's writer. A crash loses only what is not saved: saving is one transaction."""

    def __init__(  # noqa: PLR0913 - where it goes on, and what it is to do with poison
        self,
        connection: AsyncConnection[Any],
        schema: str,
        checkpoint: Checkpoint,
        *,
        bare: bool,
        held: Mapping[str, Set[UUID]],
        discarded: Mapping[str, Set[int]],
        skip_poison: bool,
    ) -> None:
        self._connection, self._schema, self._saved, self._skip_poison = connection, schema, checkpoint, skip_poison
        self.checkpoint = checkpoint
        """Where the records that were taken end."""
        empty = checkpoint.next_offset == 0
        self._tables: list[TableFilling[Any]] = [TableFilling(connection, table, schema, empty=empty, bare=bare) for table in TABLES]
        self._held = {table.name: set(held.get(table.name, ())) for table in TABLES}
        self._discarded = discarded
        self._parked: list[Parked] = []

    @property
    def unsaved(self) -> int:
        """Offsets taken since the last save."""
        return self.checkpoint.next_offset - self._saved.next_offset

    async def take(self, records: Sequence[ConsumerRecord]) -> Sequence[Any]:
        """Fold the run that continues this partition; returns the records of it that count.

        Raises LogUnreadable at a hole, NewerRecord, and Poison unless poison is to be skipped. After any of these nothing more may
        be taken or saved.
        """
        run = run_at(self.checkpoint, records)
        if run.hole:
            raise LogUnreadable(f"{EVENTS}/{self.checkpoint.partition} has a hole at offset {run.checkpoint.next_offset}")
        if run.newer:
            raise NewerRecord(f"{EVENTS}/{self.checkpoint.partition} at {run.checkpoint.next_offset}: {run.newer}")
        for table in self._tables:
            held, discarded = self._held[table.name], self._discarded.get(table.name, frozenset())
            for refused in await table.fold(run.counted, held=held, discarded=discarded):
                given_up = refused.reason is not None and refused.counted.offset in discarded
                self._park(Parked.of(table.name, refused, discarded=given_up))
        self.checkpoint = run.checkpoint
        return run.counted

    def _park(self, parked: Parked) -> None:
        if parked.state != "discarded":
            self._held[parked.table_name].add(parked.order_id)
        if parked.state == "poison" and not self._skip_poison:
            raise Poison(
                f"{EVENTS}/{parked.partition} at {parked.record_offset} (order {parked.order_id}) can't be folded into "
                f"{parked.table_name}: {parked.reason}; mend the fold, or pass --skip-poison to park the order there"
            )
        self._parked.append(parked)

    async def save(self) -> None:
        """Write what was taken, with its checkpoint, in one transaction. Raises Overtaken."""
        if not self.unsaved:
            return
        async with self._connection.transaction():
            (found,) = await lock_checkpoints(self._connection, self._schema, [self.checkpoint.partition])
            if found.next_offset != self._saved.next_offset:
                where = f"{self._schema}, {EVENTS}/{self.checkpoint.partition}"
                raise Overtaken(f"{where}: the checkpoint is {found.next_offset}, not {self._saved.next_offset}")
            for table in self._tables:
                await table.write()
            await park(self._connection, self._schema, self._parked)
            await save_checkpoints(self._connection, self._schema, [self.checkpoint])
        for table in self._tables:
            table.written()
        self._saved = self.checkpoint
        self._parked.clear()


async def open_writer(  # noqa: PLR0913 - as above
    connection: AsyncConnection[Any], schema: str, checkpoint: Checkpoint, *, bare: bool, skip_poison: bool, given_up_in: str | None = None
) -> GenerationWriter:
    """A writer that goes on at this checkpoint. `given_up_in`: another generation whose discarded records are discarded here too."""
    partition = checkpoint.partition
    held = await held_orders(connection, schema, [partition])
    discarded = dict(await discarded_offsets(connection, schema, partition))
    if given_up_in:
        for table, offsets in (await discarded_offsets(connection, given_up_in, partition)).items():
            discarded[table] = discarded.get(table, frozenset()) | offsets
    return GenerationWriter(connection, schema, checkpoint, bare=bare, held=held, discarded=discarded, skip_poison=skip_poison)


async def catch_up(  # noqa: PLR0913 - two connections, what to follow, and how
    connection: AsyncConnection[Any],
    reader: AIOKafkaConsumer,
    schema: str,
    targets: Mapping[int, int],
    *,
    skip_poison: bool = True,
    given_up_in: str | None = None,
    applied: Applied | None = None,
) -> None:
    """Apply the log to this generation up to these offsets; what is further stays. `applied` is told each run.

    Raises LogUnreadable, NewerRecord, Poison unless it is to be skipped, and Overtaken when another writer writes the generation.
    """
    behind = {
        checkpoint.partition: checkpoint
        for checkpoint in await read_checkpoints(connection, schema)
        if checkpoint.next_offset < targets.get(checkpoint.partition, 0)
    }
    if not behind:
        return
    writers: dict[int, GenerationWriter] = {}
    for partition, checkpoint in behind.items():
        writers[partition] = await open_writer(connection, schema, checkpoint, bare=False, skip_poison=skip_poison, given_up_in=given_up_in)
    ranges = {partition: (checkpoint.next_offset, targets[partition]) for partition, checkpoint in behind.items()}
    async for partition, records in read_ranges(reader, ranges, max_records=_PIECE):
        counted = await writers[partition].take(records)
        if applied:
            applied(counted)
        if writers[partition].unsaved >= _SAVE_RECORDS:
            await writers[partition].save()
    for writer in writers.values():
        await writer.save()
