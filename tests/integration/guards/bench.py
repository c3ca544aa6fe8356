"""One partition of the product's topics, with workers of the aggregate that a test drives by hand: no Faust, a real broker."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer, ConsumerRecord

from event_schemas.commands import Command
from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.dead_letters import DeadLetters
from infra.event_log.reader import log_beginnings, log_ends, read_range
from infra.faust.fetches import Progress
from infra.kafka.clients import new_reader
from infra.kafka.partitioner import partition_of
from infra.process.health import Health
from infra.process.settings import Settings
from order_aggregate.assignment import Assignment, take_over
from order_aggregate.command_handler import CommandHandler, Ports
from order_aggregate.record_appender import RecordAppender
from order_aggregate.snapshots import Snapshots
from tests.support.given import Envelope
from tests.support.raw_log import LogVerdict, judge_log

PARTITIONS = 56
"""Each test takes a partition that no other has used."""


class Ended(Exception):
    """Stands for the end of the process."""


@dataclass
class Worker:
    """A process of the aggregate, as far as it owns this partition."""

    aggregate: CommandHandler
    number: int
    opened: dict[int, int] = field(default_factory=dict)

    async def take_over(self) -> None:
        """It is assigned the partition: it folds the log."""
        self.opened = dict(await self.aggregate.assigned(frozenset({self.number})))

    async def handle(self, records: Sequence[ConsumerRecord]) -> Progress:
        """It is handed a fetch."""
        return await self.aggregate.handle({self.number: records})

    def goes_on_at(self) -> int | None:
        """The command that it decides next; None while the partition waits."""
        return self.opened.get(self.number)


@dataclass
class Bench:
    """One partition. `sent`: its commands in order."""

    settings: Settings
    number: int
    producer: AIOKafkaProducer
    sent: list[Command] = field(default_factory=list)

    def order(self) -> Envelope:
        """A new order that lives on this partition."""
        while True:
            order_id = uuid4()
            if partition_of(str(order_id), PARTITIONS) == self.number:
                return Envelope(order_id=order_id)

    async def send(self, *commands: Command, timestamp_ms: int | None = None) -> None:
        """Append commands as the gateway does."""
        for command in commands:
            value = command.encoded()
            await self.producer.send_and_wait(COMMANDS, value, str(command.order_id).encode(), self.number, timestamp_ms=timestamp_ms)
            self.sent.append(command)

    async def write(self, topic: str, value: bytes, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Write something by hand."""
        await self.producer.send_and_wait(topic, value, key, self.number, headers=list(headers))

    async def read(self, topic: str, start: int = 0) -> list[ConsumerRecord]:
        """What stands in this partition of the topic now, from `start` on."""
        reader = new_reader(self.settings, "guards")
        await reader.start()
        try:
            begin, end = (await log_beginnings(reader, topic))[self.number], (await log_ends(reader, topic))[self.number]
            return [record async for piece in read_range(reader, self.number, max(start, begin), end, topic) for record in piece]
        finally:
            await reader.stop()

    async def commands(self, start: int = 0) -> list[ConsumerRecord]:
        """The commands, as a worker fetches them."""
        return await self.read(COMMANDS, start)

    def worker(self, *, producer: Any = None, snapshots: Snapshots | None = None, taking: Callable[..., Any] = take_over) -> Worker:
        """A worker of its own, with a producer of its own if one is given."""
        own, kept = producer or self.producer, snapshots or Snapshots(self.settings)

        async def take_over_some(numbers: frozenset[int]) -> Assignment:
            taken: Assignment = await taking(self.settings, numbers, kept, lambda: None)
            return taken

        ports = Ports(take_over_some, RecordAppender(lambda: own, self.settings), DeadLetters(own).append, kept)
        return Worker(CommandHandler(Health("order_aggregate"), ports, partition_count=PARTITIONS), self.number)

    async def owner(self) -> Worker:
        """A worker that owns the partition now, and has worked off all that it may."""
        worker = self.worker()
        await worker.take_over()
        if worker.goes_on_at() is not None:
            await worker.handle(await self.commands(worker.opened[self.number]))
        return worker

    async def verdict(self) -> LogVerdict:
        """Invariants 1 to 3, by a reader that shares nothing with the product."""
        return judge_log(await self.read(EVENTS), {str(command.id) for command in self.sent})

    async def endings(self, counts: Callable[[ConsumerRecord], Any]) -> Counter[str]:
        """How often each command ends, for a reader with this gate."""
        ended: Counter[str] = Counter()
        for record in await self.read(EVENTS):
            if (counted := counts(record)) is not None:
                ended[str(counted.record.command_id)] += 1
        return ended


class LosingProducer:
    """A real producer whose first batches the broker never gets: their delivery fails, or never ends."""

    def __init__(self, producer: AIOKafkaProducer, *, losing: int, failure: Exception | None = None) -> None:
        self._producer, self._losing, self._failure = producer, losing, failure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        if not self._losing:
            return await self._producer.send_batch(batch, topic, partition=partition)
        self._losing -= 1
        delivery = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            delivery.set_exception(self._failure)
        return delivery
