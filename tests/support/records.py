"""Records for tests: envelopes of every type, and a log to which they are appended at the places they name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from event_schemas.codes import Code
from event_schemas.events import CommandRejected, OrderCancelled, OrderCreated, OrderedLine, OrderShipped, Record
from event_schemas.registry import new_record
from event_schemas.topics import COMMAND_OFFSET, PLACE
from infra.kafka.clients import new_admin, new_producer, new_reader
from infra.kafka.partitioner import partition_of
from infra.process.settings import Settings

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _fields(order_id: UUID | None, version: int, command_id: UUID | None, **more: Any) -> dict[str, Any]:
    command = command_id or uuid4()
    return {
        "order_id": order_id or uuid4(),
        "version": version,
        "command_id": command,
        "correlation_id": str(command),
        "occurred_at": NOON,
        "actor": "tests",
        **more,
    }


def created(
    order_id: UUID | None = None,
    *,
    customer_id: str = "ada",
    unit_price: str = "4.50",
    quantity: int = 2,
    sales_channel: str | None = None,
    command_id: UUID | None = None,
    **more: Any,
) -> Record:
    """An order of one line that was placed."""
    data = OrderCreated(
        customer_id=customer_id,
        currency="EUR",
        lines=(OrderedLine(sku="tea", quantity=quantity, unit_price=unit_price),),
        units=quantity,
        total=str(Decimal(unit_price) * quantity),
        ordered_at=NOON,
        sales_channel=sales_channel,
    )
    return new_record(data, **_fields(order_id, 1, command_id, **more))


def shipped(
    order_id: UUID, *, version: int = 2, customer_id: str = "ada", tracking_number: str = "T-1", command_id: UUID | None = None, **more: Any
) -> Record:
    """An order that was handed to a carrier."""
    data = OrderShipped(customer_id=customer_id, tracking_number=tracking_number, shipped_at=NOON)
    return new_record(data, **_fields(order_id, version, command_id, **more))


def cancelled(
    order_id: UUID,
    *,
    version: int = 2,
    customer_id: str = "ada",
    reason: str = "changed my mind",
    command_id: UUID | None = None,
    **more: Any,
) -> Record:
    """An order that was taken back."""
    data = OrderCancelled(customer_id=customer_id, reason=reason, cancelled_at=NOON, ordered_at=NOON, currency="EUR", units=2, total="9.00")
    return new_record(data, **_fields(order_id, version, command_id, **more))


def rejected(
    order_id: UUID | None = None,
    *,
    version: int = 0,
    code: Code = Code.ORDER_NOT_FOUND,
    command_type: str = "ShipOrder",
    customer_id: str | None = None,
    command_id: UUID | None = None,
    **more: Any,
) -> Record:
    """A command that was refused."""
    data = CommandRejected(code=code, detail="not so", command_type=command_type, customer_id=customer_id)
    return new_record(data, **_fields(order_id, version, command_id, **more))


@dataclass(frozen=True)
class Appended:
    """Where a record stands."""

    partition: int
    offset: int


@dataclass
class TestLog:
    """A topic that stands for the event log, written as the aggregate writes it: each record names the place at which it stands."""

    __test__ = False

    settings: Settings
    topic: str
    partitions: int
    producer: AIOKafkaProducer
    next_places: dict[int, int] = field(default_factory=dict)
    command_offsets: dict[int, int] = field(default_factory=dict)

    @classmethod
    async def create(cls, settings: Settings, *, partitions: int = 3, topic: str | None = None) -> Self:
        """A new topic with a name of its own, and what appends to it. End it with `close`."""
        name = topic or f"test-events-{uuid4().hex[:12]}"
        await create_topic(settings, name, partitions=partitions)
        producer = new_producer(settings, "tests")
        await producer.start()
        return cls(settings, name, partitions, producer)

    async def close(self) -> None:
        """Let go of the producer; the topic stays."""
        await self.producer.stop()

    def partition_of(self, record: Record) -> int:
        """Where this record belongs."""
        return partition_of(str(record.order_id), self.partitions)

    async def append(self, *records: Record) -> list[Appended]:
        """Append records that count, in this order, and wait until the broker has them."""
        waiting = []
        for record in records:
            partition = self.partition_of(record)
            place = self.next_places.get(partition, 0)
            self.next_places[partition] = place + 1
            waiting.append(await self._send(partition, record, place))
        appended = [Appended(metadata.partition, metadata.offset) for metadata in [await sent for sent in waiting]]
        assert [one.offset for one in appended] == [place for one, place in zip(appended, self._places(records, appended), strict=True)]
        return appended

    def _places(self, records: Sequence[Record], appended: Sequence[Appended]) -> Iterable[int]:
        back = dict(self.next_places)
        places = []
        for one in reversed(appended):
            back[one.partition] -= 1
            places.append(back[one.partition])
        assert len(records) == len(places)
        return reversed(places)

    async def append_void(self, record: Record) -> Appended:
        """Append a record that names another place than the one it gets: it counts nowhere."""
        partition = self.partition_of(record)
        self.next_places[partition] = self.next_places.get(partition, 0) + 1
        metadata = await (await self._send(partition, record, self.next_places[partition] + 1_000_000))
        return Appended(metadata.partition, metadata.offset)

    async def append_bytes(
        self, partition: int, value: bytes | None, key: bytes | None = b"junk", headers: Iterable[tuple[str, bytes]] = ()
    ) -> Appended:
        """Append bytes as they are, as someone would by hand."""
        self.next_places[partition] = self.next_places.get(partition, 0) + 1
        metadata = await self.producer.send_and_wait(self.topic, value, key, partition, headers=list(headers))
        return Appended(metadata.partition, metadata.offset)

    async def _send(self, partition: int, record: Record, place: int) -> Any:
        command_offset = self.command_offsets.get(partition, 0)
        self.command_offsets[partition] = command_offset + 1
        headers = [(PLACE, str(place).encode()), (COMMAND_OFFSET, str(command_offset).encode())]
        return await self.producer.send(self.topic, record.encoded(), str(record.order_id).encode(), partition, headers=headers)


async def create_topic(settings: Settings, name: str, *, partitions: int = 1, config: dict[str, str] | None = None) -> None:
    """Create a topic and wait until each of its partitions can be read."""
    admin: AIOKafkaAdminClient = new_admin(settings, "tests")
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config or {"retention.ms": "-1"})])
    finally:
        await admin.close()
    reader = new_reader(settings, "tests")
    await reader.start()
    try:
        await reader.end_offsets([TopicPartition(name, partition) for partition in range(partitions)])
    finally:
        await reader.stop()
