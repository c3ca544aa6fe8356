"""Reading a log outside any group: where it ends, which log it is, and unbroken runs of it.

A reader disturbs no one: it is assigned by hand and commits nothing. One reader does one thing at a time.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from event_schemas.positions import LogIdentity
from event_schemas.topics import EVENTS
from infra.faust.fetches import run_from

STALL_S = 30.0
"""Seconds without a record after which a run that should have more is given up."""
_STOP_S = 2.0
_log = logging.getLogger(__name__)


class BrokenLog(Exception):
    """The log is not what it must be: a hole, a missing beginning, or it ends before it should. The text says where."""


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
    """The topic's partitions. Raises KafkaTimeoutError when the topic is not there or no broker answers in 10 s."""
    # Asking for an offset makes the client learn the topic; `partitions_for_topic` alone knows only what was learned.
    await reader.end_offsets([TopicPartition(topic, 0)])
    return sorted(reader.partitions_for_topic(topic) or ())


async def log_ends(reader: AIOKafkaConsumer, topic: str = EVENTS) -> dict[int, int]:
    """Per partition the offset that the next record will get. Raises as `partitions_of`."""
    tops = [TopicPartition(topic, partition) for partition in await partitions_of(reader, topic)]
    return {top.partition: offset for top, offset in (await reader.end_offsets(tops)).items()}


async def log_beginnings(reader: AIOKafkaConsumer, topic: str) -> dict[int, int]:
    """Per partition the lowest offset that is still there. Raises as `partitions_of`."""
    tops = [TopicPartition(topic, partition) for partition in await partitions_of(reader, topic)]
    return {top.partition: offset for top, offset in (await reader.beginning_offsets(tops)).items()}


def first_record_digest(value: bytes | None) -> bytes:
    """What stands in the log's identity for the record at offset 0 of a partition."""
    return hashlib.blake2b(value or b"", digest_size=16).digest()


async def log_identity(reader: AIOKafkaConsumer, topic: str = EVENTS, ends: Mapping[int, int] | None = None) -> LogIdentity:
    """Which log this is, as far as `ends` (default: all there is) tells. Replaces the reader's assignment.

    Raises KafkaError when the broker does not answer, BrokenLog when a partition's first record was deleted.
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

    Replaces the reader's assignment. A piece holds at most `max_records`. Leaving early (`aclose`) is safe. Raises BrokenLog at
    a hole or when the log begins later, KafkaError when the broker refuses, TimeoutError when nothing comes for `stall_s`.
    """
    left = {TopicPartition(topic, partition): bounds for partition, bounds in ranges.items() if bounds[0] < bounds[1]}
    if not left:
        return
    reader.assign(list(left))
    try:
        for top, (start, _) in left.items():
            reader.seek(top, start)
        while left:
            for top, records in (await _next_pieces(reader, left, max_records, stall_s)).items():
                run = _wanted(top, left[top], records)
                start, end = left.pop(top)
                if start + len(run) < end:
                    left[top] = (start + len(run), end)
                else:
                    reader.pause(top)
                if run:
                    yield top.partition, run
    finally:
        # Left early, the reader would go on fetching ahead. (`unsubscribe` would ask for the metadata of all topics.)
        reader.pause(*(reader.assignment() & left.keys()))


def _wanted(top: TopicPartition, bounds: tuple[int, int], records: Sequence[ConsumerRecord]) -> Sequence[ConsumerRecord]:
    start, end = bounds
    run, hole = run_from(start, records)
    if hole and start + len(run) < end:
        raise BrokenLog(f"{top.topic}/{top.partition} has a hole at offset {start + len(run)}")
    return run[: end - start]


async def _next_pieces(
    reader: AIOKafkaConsumer, left: Mapping[TopicPartition, tuple[int, int]], max_records: int, stall_s: float
) -> dict[TopicPartition, list[ConsumerRecord]]:
    try:
        pieces: dict[TopicPartition, list[ConsumerRecord]] = await reader.getmany(
            *left, timeout_ms=int(stall_s * 1000), max_records=max_records
        )
    except OffsetOutOfRangeError as error:
        raise BrokenLog(f"the log does not hold what was asked for: {error}") from error
    if not pieces:
        waiting = ", ".join(f"{top.topic}/{top.partition} at {start}" for top, (start, _) in left.items())
        raise TimeoutError(f"nothing came for {stall_s:g} s: {waiting}")
    return pieces
