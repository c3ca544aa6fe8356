"""Appending records to the log at the places their writer named, and what to do when they land elsewhere."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaProducer, ConsumerRecord
from prometheus_client import Counter

from event_schemas.encoding import value_bytes
from event_schemas.events import Record
from event_schemas.recorded import header_number
from event_schemas.registry import RECORD_KINDS
from event_schemas.topics import COMMAND_OFFSET, EVENTS, PLACE
from event_schemas.trace_context import TRACEPARENT, traceparent_of
from infra.event_log.partition_fold import fold_partitions
from infra.process.exits import end_process
from infra.process.settings import Settings

_SOURCE = b"/orders"
_SPEC = ("ce_specversion", b"1.0")
_SOURCE_HEADER = ("ce_source", _SOURCE)
_CONTENT_TYPE = ("content-type", b"application/json")
_TYPES = {name: ("ce_type", name.encode()) for name in RECORD_KINDS}
ACKNOWLEDGED_WITHIN_S = 30.0
"""A batch that the broker has not acknowledged by then ends the process; the next one reads in the log what became of it."""

_DISPLACED = Counter("orders_displaced_records", "Records that did not land where this writer meant them to, and were appended again")
_log = logging.getLogger(__name__)


class Outgoing(NamedTuple):
    """A decided record, ready to be appended; its place is named when its batch is built."""

    key: bytes
    value: bytes
    command_id: UUID
    command_offset: int
    headers: tuple[tuple[str, bytes], ...] = ()


def encode(record: Record, value: bytes, command: ConsumerRecord) -> Outgoing:
    """The record that ends this command, whose bytes are `value`. The same record of the same command gives the same headers."""
    order_id = command.key  # checked to be the order's id before it was decided
    headers: tuple[tuple[str, bytes], ...] = (
        _SPEC,
        ("ce_id", value_bytes(record.id)),
        _SOURCE_HEADER,
        _TYPES[record.type],
        ("ce_subject", order_id),
        ("ce_time", value_bytes(record.occurred_at)),
        _CONTENT_TYPE,
    )
    if command.headers and (trace := traceparent_of(command.headers)):
        headers += ((TRACEPARENT, trace),)
    return Outgoing(order_id, value, record.command_id, command.offset, headers)


@dataclass(frozen=True, slots=True)
class _Sent:
    place: int
    records: Sequence[Outgoing]
    delivery: "asyncio.Future[Any]"


class RecordAppender:
    """Writes one partition's records in batches: one delivery future and one look at the base offset for all places in it."""

    def __init__(self, producer: Callable[[], AIOKafkaProducer], settings: Settings, *, topic: str = EVENTS) -> None:
        self._producer = producer
        self._settings = settings
        self._topic = topic

    async def append(self, partition: int, records: Sequence[Outgoing], place: int) -> int:
        """Append these records in order from `place` on. Returns the next place, when all of them are known to count.

        Ends the process when another owner is ahead, and when the broker refuses or does not acknowledge in time.
        """
        while records:
            sent = await self._send(partition, records, place)
            ends = await self._delivered(sent)
            place = ends[-1]
            displaced = [
                (batch, end - len(batch.records)) for batch, end in zip(sent, ends, strict=True) if end != batch.place + len(batch.records)
            ]
            for batch, base in displaced:
                await self._end_if_another_owner(partition, batch.place, base)
            records = [record for batch, _ in displaced for record in batch.records]
            if records:
                _DISPLACED.inc(len(records))
                _log.warning(
                    "partition %d: %d records displaced by records that do not count; appending them again", partition, len(records)
                )
        return place

    async def _send(self, partition: int, records: Sequence[Outgoing], place: int) -> list[_Sent]:
        """Send in as few batches as fit."""
        producer, sent, first = self._producer(), [], 0
        while first < len(records):
            batch, count = producer.create_batch(), 0
            for record in records[first:]:
                headers = [(PLACE, b"%d" % (place + count)), (COMMAND_OFFSET, b"%d" % record.command_offset), *record.headers]
                if batch.append(key=record.key, value=record.value, timestamp=None, headers=headers) is None:
                    break
                count += 1
            batch.close()
            delivery = await producer.send_batch(batch, self._topic, partition=partition)
            sent.append(_Sent(place, records[first : first + count], delivery))
            first, place = first + count, place + count
        return sent

    async def _delivered(self, sent: Sequence[_Sent]) -> list[int]:
        """Per batch the offset after its last record."""
        try:
            results = await asyncio.wait_for(asyncio.gather(*(batch.delivery for batch in sent)), ACKNOWLEDGED_WITHIN_S)
        except TimeoutError:
            end_process(f"the broker did not acknowledge a batch within {ACKNOWLEDGED_WITHIN_S:.0f} s")
        return [result.offset + len(batch.records) for result, batch in zip(results, sent, strict=True)]

    async def _end_if_another_owner(self, partition: int, place: int, base: int) -> None:
        """Read what stands between the place we named and the place we got."""

        def look(record: ConsumerRecord) -> None:
            if record.offset < base and header_number(record.headers, PLACE) == record.offset:
                end_process(
                    f"partition {partition}: a record at {record.offset} counts that this worker did not write: another owner is ahead"
                )

        await fold_partitions(self._settings, self._topic, {partition: place}, look)
