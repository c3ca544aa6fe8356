"""Folding partitions of the log up to their end, by a consumer of our own, in one unbroken run each.

Faust's table recovery can fold a part of a log and call it done (FAUST.md 33); here a hole is an error.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from event_schemas.codec import NewerSchema
from infra.kafka import new_reader
from infra.settings import Settings

_FETCH_MS = 500
_BATCH = 5000


class BrokenRun(Exception):
    """The log did not come in one unbroken run from where the fold begins: records are missing."""


@dataclass
class Folded:
    """How far each partition was folded, and which could not be: those wait, with the reason."""

    next_offsets: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


async def fold_partitions(settings: Settings, topic: str, starts: Mapping[int, int], apply: Callable[[ConsumerRecord], None]) -> Folded:
    """Call `apply` with every record of these partitions from its start up to the end that the log has now.

    A partition whose first offset lies beyond its start, or that holds a record of a later release (`apply` raises
    NewerSchema), is refused; the others go on. Raises BrokenRun on a hole, KafkaError when the broker refuses.
    """
    if not starts:
        return Folded()
    reader = new_reader(settings, "order-fold")
    await reader.start()
    try:
        return await _fold(reader, topic, starts, apply)
    finally:
        await reader.stop()


async def _fold(reader: AIOKafkaConsumer, topic: str, starts: Mapping[int, int], apply: Callable[[ConsumerRecord], None]) -> Folded:
    tps = {TopicPartition(topic, partition): start for partition, start in starts.items()}
    reader.assign(list(tps))
    begins, ends = await reader.beginning_offsets(list(tps)), await reader.end_offsets(list(tps))
    folded = Folded()
    for tp, start in tps.items():
        folded.next_offsets[tp.partition] = start
        reader.seek(tp, max(start, begins[tp]))
        if begins[tp] > start:
            folded.refused[tp.partition] = f"{topic}-{tp.partition} begins at {begins[tp]}, not at {start}: records of the log were deleted"
        elif ends[tp] < start:
            folded.refused[tp.partition] = f"{topic}-{tp.partition} ends at {ends[tp]}, before {start}: the topic was replaced or cut"

    def unfinished() -> list[TopicPartition]:
        return [tp for tp in tps if tp.partition not in folded.refused and folded.next_offsets[tp.partition] < ends[tp]]

    while waiting := unfinished():
        fetched = await reader.getmany(*waiting, timeout_ms=_FETCH_MS, max_records=_BATCH)
        for tp, records in fetched.items():
            _fold_run(tp, [record for record in records if record.offset < ends[tp]], apply, folded)
        await asyncio.sleep(0)  # a long fold must not starve the group's heartbeats of this loop's callbacks
    return folded


def _fold_run(tp: TopicPartition, records: list[ConsumerRecord], apply: Callable[[ConsumerRecord], None], folded: Folded) -> None:
    for record in records:
        expected = folded.next_offsets[tp.partition]
        if record.offset != expected:
            raise BrokenRun(f"{tp.topic}-{tp.partition}: offset {expected} is missing, {record.offset} came")
        try:
            apply(record)
        except NewerSchema as newer:
            folded.refused[tp.partition] = f"{tp.topic}-{tp.partition} at {record.offset}: {newer}"
            return
        folded.next_offsets[tp.partition] = record.offset + 1
