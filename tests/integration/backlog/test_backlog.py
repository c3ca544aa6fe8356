"""The backlog's age on a real broker, from what the group has committed and what waits."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from gateway.back_pressure import CommandLag
from infra.kafka.clients import connection, new_admin
from infra.process.settings import Settings
from tests.support.fetched import counted_run
from tests.support.records import create_topic, created
from tests.support.service_process import eventually
from tests.support.topics import append_bytes


@pytest.fixture
async def waiting(kafka_servers):
    """A backlog that is looked at, and its topic and group."""
    settings, name = Settings(KAFKA_BOOTSTRAP_SERVERS=kafka_servers), f"test-backlog-{uuid4().hex[:8]}"
    await create_topic(settings, name, partitions=2)
    backlog = CommandLag(settings, group=name, topic=name)
    looking = asyncio.create_task(backlog.run())
    yield settings, name, backlog
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking


async def _commit(settings, name, offsets):
    consumer = AIOKafkaConsumer(group_id=name, enable_auto_commit=False, **connection(settings))
    await consumer.start()
    tps = {TopicPartition(name, partition): OffsetAndMetadata(offset, "") for partition, offset in offsets.items()}
    consumer.assign(list(tps))
    await consumer.commit(tps)
    await consumer.stop()


async def test_the_age_is_that_of_the_oldest_message_that_is_not_done(waiting):
    settings, name, backlog = waiting
    assert (backlog.age_s, backlog.length) == (0.0, 0)
    for partition in (0, 1, 1):
        await append_bytes(settings, name, b"waits", key=b"k", partition=partition)
    begun = time.monotonic()

    async def noticed() -> bool:
        return backlog.length == 3

    await eventually(noticed)
    await asyncio.sleep(1.2)
    assert backlog.age_s >= 1.0
    assert backlog.age_s <= time.monotonic() - begun + 2.0

    await _commit(settings, name, {0: 1, 1: 2})

    async def done() -> bool:
        return backlog.length == 0 and backlog.age_s == 0.0

    await eventually(done)


async def test_what_the_log_has_decided_does_not_wait_whatever_was_committed(waiting):
    """A worker that was killed between deciding and committing left commands that seemed to wait, and every POST was answered 429."""
    settings, name, backlog = waiting
    for _ in range(3):
        await append_bytes(settings, name, b"waits", key=b"k", partition=1)
    await eventually(_is(backlog, 3))

    record = counted_run([created(), created()], partition=1)[-1]
    assert record.command_offset == 1
    backlog.delivered(1, [record], 2)
    await eventually(_is(backlog, 1))
    backlog.delivered(1, [record._replace(command_offset=2)], 3)
    await eventually(_is(backlog, 0))
    assert backlog.age_s == 0.0

    backlog.forget()
    await eventually(_is(backlog, 3))


def _is(backlog: CommandLag, length: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return backlog.length == length

    return reached


async def test_messages_that_were_deleted_do_not_wait(waiting):
    """The group may never have committed anything, and the first messages be gone for a week."""
    settings, name, backlog = waiting
    for _ in range(3):
        await append_bytes(settings, name, b"waits", key=b"k", partition=1)
    admin = new_admin(settings, "test")
    await admin.start()
    await admin.delete_records({TopicPartition(name, 1): RecordsToDelete(2)})
    await admin.close()

    async def only_one() -> bool:
        return backlog.length == 1

    await eventually(only_one)
    assert backlog.age_s > 0


async def test_without_a_broker_nothing_is_known():
    backlog = CommandLag(Settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9"), group="g", topic="t")
    looking = asyncio.create_task(backlog.run())
    await asyncio.sleep(0.5)

    assert backlog.age_s == 0.0
    looking.cancel()
