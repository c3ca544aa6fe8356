"""Reading and writing whole topics, as the independent eye of the tests."""

from collections.abc import Iterable

from aiokafka import ConsumerRecord, TopicPartition

from event_schemas.commands import Command
from event_schemas.topics import COMMANDS
from infra.kafka.clients import new_producer, new_reader
from infra.kafka.partitioner import partition_of
from infra.process.settings import Settings


async def read_topic(settings: Settings, topic: str, partitions: int) -> list[ConsumerRecord]:
    """Everything that stands in a topic now, by partition and offset."""
    reader = new_reader(settings, "test-reader")
    await reader.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        reader.assign(tps)
        begins, ends = await reader.beginning_offsets(tps), await reader.end_offsets(tps)
        for tp in tps:
            reader.seek(tp, begins[tp])
        found: list[ConsumerRecord] = []
        while len(found) < sum(ends[tp] - begins[tp] for tp in tps):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [record for record in records if record.offset < ends[TopicPartition(topic, record.partition)]]
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await reader.stop()


async def append_commands(settings: Settings, commands: Iterable[Command], partitions: int, *, timestamp_ms: int | None = None) -> None:
    """Append commands as the command API does."""
    producer = new_producer(settings, "test-commands")
    await producer.start()
    try:
        for command in commands:
            order_id = str(command.order_id)
            value = command.encoded()
            partition = partition_of(order_id, partitions)
            await producer.send_and_wait(COMMANDS, value, key=order_id.encode(), partition=partition, timestamp_ms=timestamp_ms)
    finally:
        await producer.stop()


async def append_bytes(
    settings: Settings,
    topic: str,
    value: bytes | None,
    *,
    key: bytes | None = None,
    partition: int = 0,
    headers: Iterable[tuple[str, bytes]] = (),
) -> int:
    """Write by hand. Returns the offset."""
    producer = new_producer(settings, "test-hand")
    await producer.start()
    try:
        return (await producer.send_and_wait(topic, value, key=key, partition=partition, headers=list(headers))).offset
    finally:
        await producer.stop()
