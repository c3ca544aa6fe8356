"""CommandLog on a real broker: what an acknowledgement means, and how it outlives the broker."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.errors import OutOfOrderSequenceNumber

from command_api.command_log import CommandLog, NotAcknowledged
from event_schemas.positions import CommandPlace
from event_schemas.topics import COMMANDS
from infra.kafka.clients import new_admin
from infra.kafka.partitioner import partition_of
from infra.process.health import Health
from infra.process.settings import Settings
from tests.support.service_process import eventually
from tests.support.topics import read_topic
from tools.local_stack.embedded.kafka import EmbeddedKafka

TRACE = ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


async def test_an_acknowledged_command_stands_at_its_place(log: CommandLog, settings: Settings):
    orders = [str(uuid4()) for _ in range(200)]
    places = await asyncio.gather(*(log.append(order, order[::-1].encode(), [TRACE]) for order in orders))

    standing = {CommandPlace(record.partition, record.offset): record for record in await read_topic(settings, COMMANDS, 4)}
    assert len(standing) == len(set(places)) == 200
    for order, place in zip(orders, places, strict=True):
        record = standing[place]
        assert (record.key, record.value, list(record.headers)) == (order.encode(), order[::-1].encode(), [TRACE])
        assert place.partition == partition_of(order, 4)


async def refused_after(log: CommandLog) -> float:
    """Seconds until an append was given up."""
    begun = time.monotonic()
    with pytest.raises(NotAcknowledged):
        await log.append(str(uuid4()), b"{}")
    return time.monotonic() - begun


async def appends(log: CommandLog) -> bool:
    try:
        await log.append(str(uuid4()), b"{}")
    except NotAcknowledged:
        return False
    return True


async def test_a_broker_that_was_killed_and_came_back_gets_commands_again(log: CommandLog, broker: EmbeddedKafka, health: Health):
    unexpected: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unexpected.append(context))
    await log.append(str(uuid4()), b"{}")
    broker.brokers[0].kill()

    assert max([await refused_after(log) for _ in range(3)]) < 3
    assert health.state == "waiting"

    await asyncio.to_thread(broker.brokers[0].start)
    await eventually(lambda: appends(log), 15)
    for _ in range(20):
        await log.append(str(uuid4()), b"{}")
    await eventually(one_producer_is_left, 15)
    assert not unexpected, "a traceback in the log for an outage that was answered for"


async def one_producer_is_left() -> bool:
    """No producer of the past, with its tasks and buffers, outlives the outage that ended it."""
    return len([task for task in asyncio.all_tasks() if "_sender_routine" in str(task.get_coro())]) == 1


async def test_a_broker_that_froze_gets_commands_again(log: CommandLog, broker: EmbeddedKafka, settings: Settings):
    (pid,) = broker.pids
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = await asyncio.gather(*(refused_after(log) for _ in range(50)))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert max(answers) < 3

    await eventually(lambda: appends(log), 15)
    order = str(uuid4())
    place = await log.append(order, b"{}")
    assert [record.offset for record in await read_topic(settings, COMMANDS, 4) if record.key == order.encode()] == [place.offset]


async def test_a_producer_that_refuses_everything_is_replaced(log: CommandLog, monkeypatch: pytest.MonkeyPatch):
    """What aiokafka #1017 does after an outage: every send fails, for ever."""

    async def refuse(*_: object, **__: object) -> None:
        raise OutOfOrderSequenceNumber

    assert log._open is not None
    monkeypatch.setattr(log._open.producer, "send", refuse)

    assert await refused_after(log) < 3
    # A request that comes while the producer is replaced waits for the new one.
    await log.append(str(uuid4()), b"{}")


async def test_a_broker_that_was_away_at_the_start(
    open_log: Callable[[], Awaitable[CommandLog]], broker: EmbeddedKafka, settings: Settings, health: Health
):
    await asyncio.to_thread(broker.brokers[0].stop)
    log = await open_log()

    assert await refused_after(log) < 3

    async def waits() -> bool:
        return health.state == "waiting" and "no broker answers" in str(health.detail)

    await eventually(waits, 15)
    await asyncio.to_thread(broker.brokers[0].start)
    await eventually(lambda: appends(log), 15)
    assert health.detail is None


async def test_a_topic_that_gets_another_partition_count_gets_no_more_commands(log: CommandLog, settings: Settings, health: Health):
    """A command on the wrong partition would end among dead letters, after its 202."""
    admin = new_admin(settings, "test-admin")
    await admin.start()
    await admin.create_partitions({COMMANDS: NewPartitions(6)})
    await admin.close()

    async def refuses() -> bool:
        return not await appends(log)

    await eventually(refuses, 15)

    async def says_so() -> bool:
        return "partitions" in str(health.detail)

    await eventually(says_so, 15)
    assert not await appends(log)
