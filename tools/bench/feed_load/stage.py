"""What every load on the feed stands on: an empty log that only the bench writes, one notifier or the bare loop, and clients.

Events are appended straight to the log, each at the place that it names; the aggregate does not run.
"""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from event_schemas.events import CommandRejected, OrderShipped, Record
from event_schemas.registry import new_record
from event_schemas.topics import COMMAND_OFFSET, COMMANDS, EVENTS, PLACE
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_producer, new_reader
from infra.kafka.partitioner import partition_of
from infra.process.settings import Settings
from infra.process.tuning import allow_many_files
from tools.bench.feed_load.clients import FeedClient, FeedClients
from tools.bench.floors.feed import HEAD
from tools.bench.measuring import percentile
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers

_DUE = re.compile(rb'"correlation_id":"due-(\d+)"')
_FIRST_EVENTS = 200
_TICK_S = 0.005


def event(customer_id: str, *, due_ns: int = 0, order_id: UUID | None = None, version: int = 1) -> Record:
    """A small event, about 400 bytes. `due_ns`: when it was to be appended, by the monotonic clock; it travels with the event."""
    command_id, at = uuid4(), datetime.now(UTC)
    return new_record(
        OrderShipped(customer_id=customer_id, tracking_number="bench", shipped_at=at),
        order_id=order_id or uuid4(),
        version=version,
        command_id=command_id,
        correlation_id=f"due-{due_ns}",
        occurred_at=at,
        actor="bench",
    )


def wide_event(*, due_ns: int) -> Record:
    """An event of about 2,400 bytes: a rejection with a long reason."""
    command_id = uuid4()
    return new_record(
        CommandRejected(code="bench", detail="x" * 2_000, command_type="ShipOrder"),
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
    """The same frame, as if its event were due at that time."""
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


@dataclass
class FeedStage:
    """One notifier on a log. Clients are opened with `connected`."""

    log: FeedLog
    notifier: BenchProcess
    ages_ms: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def connected(
        self, first_frames: list[bytes], *, timeout_s: float = 120.0, receive_bytes: int | None = None
    ) -> AsyncIterator[FeedClients]:
        """Clients that are all caught up; the age of each event that they get is noted in `ages_ms`.

        `receive_bytes`: of the kernel's buffer of each, by default what the system gives.
        """
        allow_many_files(len(first_frames) + 500)
        clients = FeedClients(self.notifier.feed_port, first_frames, receive_bytes=receive_bytes)
        clients.on_event = self._note
        try:
            await asyncio.to_thread(clients.connect, timeout_s)
            yield clients
        finally:
            clients.close()

    def _note(self, _: FeedClient, payload: bytes) -> None:
        self.ages_ms.append(age_ms(payload))

    def p99_ms(self) -> float:
        """The p99 of the ages noted so far, which are then forgotten."""
        ages, self.ages_ms = self.ages_ms, []
        return percentile(ages, 0.99)

    async def append_steadily(self, rate: float, seconds: float, make: Callable[[int, int], Record]) -> int:
        """Append `rate` events a second, some every 5 ms, each made by `make(number, due_ns)`; how many."""
        begin, number = time.monotonic_ns(), 0
        while (passed := (time.monotonic_ns() - begin) / 1e9) < seconds:
            due = int(passed * rate)
            if due > number:
                await self.log.append(make(one, begin + int(1e9 * one / rate)) for one in range(number, due))
                number = due
            await asyncio.sleep(_TICK_S)
        return number


@asynccontextmanager
async def feed_stage(servers: Servers, **variables: str) -> AsyncIterator[FeedStage]:
    """An empty log with a few events on each partition, and a notifier that follows it."""
    await servers.new_topics(COMMANDS, EVENTS)
    async with feed_log(servers.settings) as log:
        await log.append(first_events())
        async with servers.process("notifier", **variables) as notifier:
            yield FeedStage(log, notifier)


def first_events() -> Iterable[Record]:
    """Enough events that every partition has begun."""
    return (event("bench-nobody") for _ in range(_FIRST_EVENTS))


class BareFeed:
    """The bare loop, running, with its clients connected."""

    def __init__(self, process: BenchProcess, clients: FeedClients, orders: socket.socket) -> None:
        self.process, self.clients = process, clients
        self._orders = orders

    def write(self, frame: bytes, *, events: int = 1) -> None:
        """Have the frame written to every client, so many times."""
        self._orders.sendall(HEAD.pack(len(self.clients.clients), events, len(frame)) + frame)


@asynccontextmanager
async def bare_feed(servers: Servers, clients: int) -> AsyncIterator[BareFeed]:
    """Start it and connect so many clients. Raises OSError, TimeoutError."""
    async with servers.process("tools.bench.floors.feed") as process:
        connected = FeedClients(process.http_port, [b"here"] * clients, websocket=False)
        try:
            await asyncio.to_thread(connected.connect)
            with socket.create_connection(("127.0.0.1", process.feed_port)) as orders:
                yield BareFeed(process, connected, orders)
        finally:
            connected.close()
