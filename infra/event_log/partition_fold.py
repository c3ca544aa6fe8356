"""Folding partitions of the log up to their end, by a consumer of our own, in one unbroken run each.

Faust's table recovery can fold a part of a log and call it done (FAUST.md 33); here a hole is an error.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from event_schemas.decoding import NewerSchema
from infra.event_log.reader import read_ranges, reading
from infra.kafka.clients import new_reader
from infra.process.settings import Settings


@dataclass
class Folded:
    """How far each partition was folded; and the partitions that could not be folded and wait, with the reason."""

    next_offsets: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


async def fold_partitions(settings: Settings, topic: str, starts: Mapping[int, int], apply: Callable[[ConsumerRecord], None]) -> Folded:
    """Call `apply` with every record of these partitions from its start up to the end that the log has now.

    A partition that does not hold its start any more, or that holds a record of a later release (`apply` raises NewerSchema),
    is refused; the others go on. Raises LogUnreadable on a hole, BrokerAway.
    """
    if not starts:
        return Folded()
    async with reading(new_reader(settings, "order-fold")) as reader:
        return await _fold(reader, topic, starts, apply)


async def _fold(reader: AIOKafkaConsumer, topic: str, starts: Mapping[int, int], apply: Callable[[ConsumerRecord], None]) -> Folded:
    tps = [TopicPartition(topic, partition) for partition in starts]
    begins, ends = await reader.beginning_offsets(tps), await reader.end_offsets(tps)
    folded = Folded(dict(starts))
    for tp in tps:
        start = starts[tp.partition]
        if begins[tp] > start:
            folded.refused[tp.partition] = f"{topic}-{tp.partition} begins at {begins[tp]}, not at {start}: records of the log were deleted"
        elif ends[tp] < start:
            folded.refused[tp.partition] = f"{topic}-{tp.partition} ends at {ends[tp]}, before {start}: the topic was replaced or cut"
    ranges = {tp.partition: (starts[tp.partition], ends[tp]) for tp in tps if tp.partition not in folded.refused}
    async for partition, records in read_ranges(reader, ranges, topic):
        if partition not in folded.refused:
            _fold_run(partition, records, apply, folded)
        await asyncio.sleep(0)  # a long fold must not starve the health port and the signals of this loop
    return folded


def _fold_run(partition: int, records: Sequence[ConsumerRecord], apply: Callable[[ConsumerRecord], None], folded: Folded) -> None:
    for record in records:
        try:
            apply(record)
        except NewerSchema as newer:
            folded.refused[partition] = f"{record.topic}-{partition} at {record.offset}: {newer}"
            return
        folded.next_offsets[partition] = record.offset + 1
