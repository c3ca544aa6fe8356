"""Letting a generation that is not live follow the log up to given offsets, in this process."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection

from event_schemas.recorded import RecordedMessage
from infra.event_log.reader import read_ranges
from projections.rebuild.writer import GenerationWriter, open_writer
from projections.store.checkpoints import read_checkpoints

_PIECE = 1_000
_SAVE_RECORDS = 10_000

Applied = Callable[[Sequence[RecordedMessage]], None]


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

    Raises LogUnreadable, NewerRecord, Poison unless it is to be skipped, and Overtaken when someone else writes the generation.
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
