"""Reading a log outside any group: where it ends, which log it is, and unbroken runs of it.

The functions raise what aiokafka raises; a caller reads within `reading` or `broker_errors`, which make BrokerAway of it.

A reader disturbs no consumer: it is assigned by hand and commits nothing. One reader does one thing at a time.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from event_schemas.positions import LogIdentity
from event_schemas.topics import EVENTS
from infra.errors import LogUnreadable
from infra.event_log.runs import run_from
from infra.kafka.clients import broker_errors

STALL_S = 30.0
"""Seconds without a record after which a run that should have more is given up."""
_STOP_S = 2.0
_log = logging.getLogger(__name__)


@asynccontextmanager
async def reading(reader: AIOKafkaConsumer) -> AsyncIterator[AIOKafkaConsumer]:
    """The reader, started, while the block runs. Raises BrokerAway when it can't be started, or when a read in the block fails."""
    with broker_errors():
        try:
            await reader.start()
            yield reader
        finally:
            await stop_quietly(reader)


async def stop_quietly(reader: AIOKafkaConsumer) -> None:
    """Stop a reader whose broker may be gone; never raises, takes at most 2 s."""
    # In a task of its own: aiokafka awaits tasks that it has cancelled, and their CancelledError would end the caller's.
    stopping = asyncio.create_task(reader.stop())
    await asyncio.wait({stopping}, timeout=_STOP_S)
    if not stopping.done():
        stopping.cancel()
    elif not stopping.cancelled() and stopping.exception() is not None:
        _log.debug("reader did not stop cleanly: %s", stopping.exception())


async def partitions_of(reader: AIOKafkaConsumer, topic: str = EVENTS) -> list[int]:
    """The topic's partitions. Raises KafkaTimeoutError when the topic is missing or no broker answers in 10 s."""
    # Asking for an offset makes the client learn the topic; `partitions_for_topic` alone knows only what was learned.
    await reader.end_offsets([TopicPartition(topic, 0)])
    return sorted(reader.partitions_for_topic(topic) or ())


async def log_ends(reader: AIOKafkaConsumer, topic: str = EVENTS) -> dict[int, int]:
    """Per partition the offset that the next record will get. Raises as `partitions_of`."""
    tps = [TopicPartition(topic, partition) for partition in await partitions_of(reader, topic)]
    return {tp.partition: offset for tp, offset in (await reader.end_offsets(tps)).items()}


async def log_beginnings(reader: AIOKafkaConsumer, topic: str) -> dict[int, int]:
    """Per partition the lowest offset that is still there. Raises as `partitions_of`."""
    tps = [TopicPartition(topic, partition) for partition in await partitions_of(reader, topic)]
    return {tp.partition: offset for tp, offset in (await reader.beginning_offsets(tps)).items()}


def first_record_digest(value: bytes | None) -> bytes:
    """What stands in the log's identity for the record at offset 0 of a partition."""
    return hashlib.blake2b(value or b"", digest_size=16).digest()


async def log_identity(reader: AIOKafkaConsumer, topic: str = EVENTS, ends: Mapping[int, int] | None = None) -> LogIdentity:
    """Which log this is, as far as `ends` (default: all there is) tells. Replaces the reader's assignment.

    Raises KafkaError when the broker does not answer, LogUnreadable when a partition's first record was deleted.
    """
    ends = await log_ends(reader, topic) if ends is None else ends
    firsts: dict[int, bytes] = {}
    async for partition, records in read_ranges(reader, {partition: (0, 1) for partition, end in ends.items() if end > 0}, topic):
        firsts[partition] = first_record_digest(records[0].value)
    return LogIdentity(len(ends), firsts)


async def read_range(
    reader: AIOKafkaConsumer, partition: int, start: int, end: int, topic: str = EVENTS
) -> AsyncGenerator[Sequence[ConsumerRecord], None]:
    """The records of one partition from `start` up to but not including `end`, in pieces. As `read_ranges`."""
    async for _, records in read_ranges(reader, {partition: (start, end)}, topic):
        yield records


async def read_ranges(
    reader: AIOKafkaConsumer,
    ranges: Mapping[int, tuple[int, int]],
    topic: str = EVENTS,
    *,
    max_records: int = 2_000,
    stall_s: float = STALL_S,
) -> AsyncGenerator[tuple[int, Sequence[ConsumerRecord]], None]:
    """Every record of these half-open ranges, per partition in one unbroken run, partitions interleaved.

    Replaces the reader's assignment. A piece holds at most `max_records`. Leaving early (`aclose`) is safe. Raises LogUnreadable at
    a hole or when the log begins later, KafkaError when the broker refuses, TimeoutError when nothing comes for `stall_s`.
    """
    left = {TopicPartition(topic, partition): bounds for partition, bounds in ranges.items() if bounds[0] < bounds[1]}
    if not left:
        return
    reader.assign(list(left))
    try:
        for tp, (start, _) in left.items():
            reader.seek(tp, start)
        while left:
            for tp, records in (await _next_pieces(reader, left, max_records, stall_s)).items():
                run = _wanted(tp, left[tp], records)
                start, end = left.pop(tp)
                if start + len(run) < end:
                    left[tp] = (start + len(run), end)
                else:
                    reader.pause(tp)
                if run:
                    yield tp.partition, run
    finally:
        # A reader that was left early would go on fetching ahead. (`unsubscribe` would ask for the metadata of all topics.)
        reader.pause(*(reader.assignment() & left.keys()))


def _wanted(tp: TopicPartition, bounds: tuple[int, int], records: Sequence[ConsumerRecord]) -> Sequence[ConsumerRecord]:
    start, end = bounds
    run, hole = run_from(start, records)
    if hole and start + len(run) < end:
        raise LogUnreadable(f"{tp.topic}/{tp.partition} has a hole at offset {start + len(run)}")
    return run[: end - start]


async def _next_pieces(
    reader: AIOKafkaConsumer, left: Mapping[TopicPartition, tuple[int, int]], max_records: int, stall_s: float
) -> dict[TopicPartition, list[ConsumerRecord]]:
    try:
        pieces: dict[TopicPartition, list[ConsumerRecord]] = await reader.getmany(
            *left, timeout_ms=int(stall_s * 1000), max_records=max_records
        )
    except OffsetOutOfRangeError as error:
        raise LogUnreadable(f"the log does not hold what was asked for: {error}") from error
    if not pieces:
        waiting = ", ".join(f"{tp.topic}/{tp.partition} at {start}" for tp, (start, _) in left.items())
        raise TimeoutError(f"nothing came for {stall_s:g} s: {waiting}")
    return pieces
