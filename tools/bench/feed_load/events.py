"""Events appended straight to the log, each at the place that it names; the aggregate does not run."""

import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from event_schemas.events import CommandRejected, CommandRejectedRecord, OrderShipped, OrderShippedRecord, Record, record_id
from event_schemas.topics import COMMAND_OFFSET, EVENTS, PLACE
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_producer, new_reader
from infra.kafka.partitioner import partition_of
from infra.process.settings import Settings

_DUE = re.compile(rb'"correlation_id":"due-(\d+)"')


def event(customer_id: str, *, due_ns: int = 0, order_id: UUID | None = None, version: int = 1) -> Record:
    """A small event, about 400 bytes. `due_ns`: when it was to be appended, by the monotonic clock; it travels with the event."""
    command_id, at = uuid4(), datetime.now(UTC)
    return OrderShippedRecord.of(
        OrderShipped(customer_id=customer_id, tracking_number="bench", shipped_at=at),
        id=record_id(command_id),
        order_id=order_id or uuid4(),
        version=version,
        command_id=command_id,
        correlation_id=f"due-{due_ns}",
        occurred_at=at,
        actor="bench",
    )


def wide_event(*, due_ns: int) -> Record:
    """One of about 2,400 bytes: a rejection with a long reason."""
    command_id = uuid4()
    return CommandRejectedRecord.of(
        CommandRejected(code="bench", detail="x" * 2_000, command_type="ShipOrder"),
        id=record_id(command_id),
        order_id=uuid4(),
        version=0,
        command_id=command_id,
        correlation_id=f"due-{due_ns}",
        occurred_at=datetime.now(UTC),
        actor="bench",
    )


def age_ms(frame: bytes) -> float:
    """Milliseconds since the event in this frame was due."""
    found = _DUE.search(frame)
    assert found is not None
    return (time.monotonic_ns() - int(found[1])) / 1e6


def due_at(frame: bytes, due_ns: int) -> bytes:
    """The same frame, of an event that was due then."""
    return _DUE.sub(b'"correlation_id":"due-%d"' % due_ns, frame)


class FeedLog:
    """The only writer of a log."""

    def __init__(self, producer: AIOKafkaProducer, next_places: dict[int, int]) -> None:
        self._producer, self._next_places = producer, next_places

    async def append(self, records: Iterable[Record]) -> None:
        """Append these, one batch a partition and acknowledged; as many as fit into a batch (about 1,000)."""
        batches: dict[int, Any] = {}
        for record in records:
            partition = partition_of(str(record.order_id), len(self._next_places))
            batch = batches.get(partition) or batches.setdefault(partition, self._producer.create_batch())
            place = b"%d" % self._next_places[partition]
            headers = [(PLACE, place), (COMMAND_OFFSET, place)]
            appended = batch.append(key=str(record.order_id).encode(), value=record.encoded(), timestamp=None, headers=headers)
            assert appended is not None, "more than fits into a batch"
            self._next_places[partition] += 1
        deliveries = []
        for partition, batch in batches.items():
            batch.close()
            deliveries.append(await self._producer.send_batch(batch, EVENTS, partition=partition))
        for delivery in deliveries:
            await delivery


@asynccontextmanager
async def feed_log(settings: Settings) -> AsyncIterator[FeedLog]:
    """The log, from its present end on."""
    reader, producer = new_reader(settings, "order-bench"), new_producer(settings, "order-bench")
    await reader.start()
    try:
        ends = await log_ends(reader)
    finally:
        await stop_quietly(reader)
    await producer.start()
    try:
        yield FeedLog(producer, ends)
    finally:
        await producer.stop()
