"""Whether a checkpoint says where the rows end: it names the last record that it holds, and the log has that record."""

from dataclasses import fields
from typing import Any

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection, sql

from event_schemas.recorded import RecordedMessage, classify
from infra.event_log.reader import read_range
from projections.store.checkpoints import Checkpoint
from projections.verification.drift import Drift, Field


async def sound_end(  # noqa: PLR0913, PLR0917 - a checkpoint, and what it is held against
    eye: AsyncConnection[Any], reader: AIOKafkaConsumer, schema: str, partition: int, checkpoint: Checkpoint | None, log_end: int
) -> int:
    """The offset up to which this partition's rows were folded: the checkpoint's, unless its own last record contradicts it."""
    if checkpoint is None:
        return min(log_end, await _end_of_rows(eye, schema, partition))
    claimed, last = min(checkpoint.next_offset, log_end), checkpoint.last_record_offset
    if last is None or last >= log_end:
        return claimed
    stands = await _counting(reader, partition, last, last + 1)
    if not stands or stands[0].record.id != checkpoint.last_record_id:
        return claimed
    if claimed <= last:
        return last + 1
    beyond = await _counting(reader, partition, last + 1, claimed)
    return last + 1 if beyond and not await _is_folded(eye, schema, beyond[0]) else claimed


async def _counting(reader: AIOKafkaConsumer, partition: int, start: int, end: int) -> list[RecordedMessage]:
    verdicts = [classify(record) async for records in read_range(reader, partition, start, end) for record in records]
    return [verdict for verdict in verdicts if isinstance(verdict, RecordedMessage)]


async def _is_folded(eye: AsyncConnection[Any], schema: str, counted: RecordedMessage) -> bool:
    """Whether any row shows that this record was folded."""
    statement = sql.SQL(
        "select exists (select from {}.order_history where order_id = %s and record_offset = %s) "
        "or exists (select from {}.command_outcomes where command_id = %s)"
    ).format(sql.Identifier(schema), sql.Identifier(schema))
    found = await eye.execute(statement, (counted.record.order_id, counted.offset, counted.record.command_id))
    return await found.fetchone() == (True,)


async def _end_of_rows(eye: AsyncConnection[Any], schema: str, partition: int) -> int:
    statement = sql.SQL("select coalesce(max(record_offset) + 1, 0) from {}.order_history where partition = %s")
    row = await (await eye.execute(statement.format(sql.Identifier(schema)), (partition,))).fetchone()
    return int(row[0]) if row else 0


def checkpoint_drift(there: Checkpoint | None, should: Checkpoint) -> Drift | None:
    """What is wrong with a checkpoint; None when it is right."""
    key = (str(should.partition),)
    if there is None:
        return Drift("checkpoints", "missing", key, (), should.partition, (should.partition,), should)
    changed = [
        Field(one.name, _text(getattr(there, one.name)), _text(getattr(should, one.name)))
        for one in fields(Checkpoint)
        if getattr(there, one.name) != getattr(should, one.name)
    ]
    return Drift("checkpoints", "changed", key, changed, should.partition, (should.partition,), should) if changed else None


def _text(value: object) -> str | None:
    return value.hex() if isinstance(value, bytes) else None if value is None else str(value)
