"""Whether checkpoints and log belong together, so that read models are never continued from a log that is not theirs."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from aiokafka import AIOKafkaConsumer

from event_schemas.topics import EVENTS
from infra.errors import BrokerAway, LogUnreadable
from infra.event_log.reader import log_ends, read_ranges, stop_quietly
from infra.kafka.clients import broker_errors
from projections.store.checkpoints import Checkpoint

RECHECK_S = 30.0
"""Seconds between two looks."""
_START_S = 10.0
_STALL_S = 10.0
_ADVICE = (
    "connect to the log that they belong to, or make them anew from this one: `./orders projections rebuild --promote --accept-differences`"
)


class _Named(msgspec.Struct):
    """What is read of a record: another release may have written the rest."""

    id: str


_read_named = msgspec.json.Decoder(_Named).decode


class LogWitness(Protocol):
    """Compares checkpoints with the log that they claim to come from."""

    async def objections(self, checkpoints: Sequence[Checkpoint]) -> Mapping[int, str]:
        """Per partition whose checkpoint is not from this log: why, and what to do."""
        ...


class LogRecheck:
    """Checks in the background while work goes on; its findings are taken up before the next fetch is applied."""

    def __init__(self, log: LogWitness) -> None:
        self._log = log
        self._applied: dict[int, Checkpoint] = {}
        self._looking: asyncio.Task[Mapping[int, str]] | None = None
        self._look_at = time.monotonic() + RECHECK_S

    def forget(self) -> None:
        """Drop what is known: this worker has other partitions now."""
        self._applied.clear()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def applied(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Take over the present checkpoints. None of them is checked before it was committed."""
        self._applied.update((checkpoint.partition, checkpoint) for checkpoint in checkpoints)

    def objections(self) -> Mapping[int, str]:
        """The findings of a check that has ended, by partition, given out once. Starts the next check when it is due."""
        if self._looking is not None:
            if not self._looking.done():
                return {}
            found, self._looking = self._looking.result(), None
            for partition in found:
                self._applied.pop(partition, None)
            return found
        if self._applied and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + RECHECK_S
            self._looking = asyncio.create_task(self._log.objections(list(self._applied.values())), name="log recheck")
        return {}


class KafkaWitness:
    """Reads, per checkpoint, where the log ends and the last record that was applied. Disturbs no consumer group."""

    def __init__(self, new_reader: Callable[[], AIOKafkaConsumer]) -> None:
        self._new_reader = new_reader

    async def objections(self, checkpoints: Sequence[Checkpoint]) -> Mapping[int, str]:
        """Per partition whose checkpoint is not from this log, or can't be compared now: why, and what to do."""
        begun = [checkpoint for checkpoint in checkpoints if checkpoint.next_offset > 0]
        if not begun:
            return {}
        reader = self._new_reader()
        try:
            with broker_errors():
                await asyncio.wait_for(reader.start(), _START_S)
                return await _compare(reader, begun)
        except BrokerAway as error:
            return {c.partition: f"{EVENTS} can't be read ({error}): start the broker" for c in begun}
        finally:
            await stop_quietly(reader)


async def _compare(reader: AIOKafkaConsumer, checkpoints: Sequence[Checkpoint]) -> dict[int, str]:
    ends = await log_ends(reader)
    objections = {c.partition: beyond for c in checkpoints if (beyond := _beyond_the_end(c, ends.get(c.partition, 0)))}
    known = {c.partition: c for c in checkpoints if c.partition not in objections}
    ranges = {c.partition: (c.last_record_offset, c.last_record_offset + 1) for c in known.values() if c.last_record_offset is not None}
    try:
        async for partition, records in read_ranges(reader, ranges, stall_s=_STALL_S):
            if other := _another_record(known[partition], records[0].value):
                objections[partition] = other
    except LogUnreadable as error:
        return objections | dict.fromkeys(ranges, f"the log has lost records that the read models hold ({error}): {_ADVICE}")
    return objections


def _beyond_the_end(checkpoint: Checkpoint, end: int) -> str | None:
    if checkpoint.next_offset <= end:
        return None
    return f"the read models hold {EVENTS}/{checkpoint.partition} up to {checkpoint.next_offset}, the log ends at {end}: {_ADVICE}"


def _another_record(checkpoint: Checkpoint, value: bytes | None) -> str | None:
    try:
        found = _read_named(value or b"").id
    except (ValueError, RecursionError):
        found = "nothing readable"
    if found == str(checkpoint.last_record_id):
        return None
    place = f"{EVENTS}/{checkpoint.partition} at {checkpoint.last_record_offset}"
    return f"the read models hold record {checkpoint.last_record_id} of {place}, this log has {found} there: {_ADVICE}"
