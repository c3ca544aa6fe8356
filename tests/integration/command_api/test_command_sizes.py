"""A command's size is its own matter: on a real broker whose topic takes less than the gateway knows."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError, OutOfOrderSequenceNumber

from command_api.command_log import CommandLog, CommandTooLarge
from event_schemas.positions import CommandPlace
from event_schemas.topics import COMMANDS, LARGEST_BATCH, MAX_COMMAND_BYTES, TOPICS
from infra.kafka.clients import new_producer
from infra.kafka.partitioner import partition_of
from infra.kafka.topic_guard import connected_admin
from infra.process.health import Health
from infra.process.settings import Settings
from tests.support.service_process import eventually
from tests.support.topics import read_topic

LOW = 20_000
SMALL, LARGE = b"s" * 300, b"l" * (LOW + 1)


async def limit(settings: Settings, size: int) -> None:
    """An operator gives the topic of the commands another limit; done once the broker goes by it, which is later than its answer."""
    kept = next(topic.settings for topic in TOPICS if topic.name == COMMANDS)
    async with connected_admin(settings) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, COMMANDS, configs=kept | {LARGEST_BATCH: str(size)})])

    async def goes_by_it() -> bool:
        producer = new_producer(settings, "test-limit")  # each time another: a refusal spoils the count of the one that is refused
        await producer.start()
        try:
            await producer.send_and_wait(COMMANDS, LARGE, b"k", partition=3)
        except MessageSizeTooLargeError:
            return size < len(LARGE)
        finally:
            await producer.stop()
        return size > len(LARGE)

    await eventually(goes_by_it)


def producer_of(log: CommandLog) -> AIOKafkaProducer:
    assert log._open is not None
    return log._open.producer


def ids_on(partition: int, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        order = str(uuid4())
        found += [order] if partition_of(order, 4) == partition else []
    return found


async def appended(log: CommandLog, large: list[str], small: list[str]) -> tuple[list[object], dict[str, CommandPlace]]:
    """All at once, in turns, so that a batch holds both kinds. Answers of the large ones, and places of the small ones."""
    between = [log.append(order, SMALL) for order in small]
    mixed = [log.append(order, LARGE) for order in large]
    answers = await asyncio.gather(*between[::2], *mixed, *between[1::2], return_exceptions=True)
    first, middle, last = len(between[::2]), len(mixed), len(between[1::2])
    assert len(answers) == first + middle + last
    told = dict(zip([*small[::2], *small[1::2]], [*answers[:first], *answers[first + middle :]], strict=True))
    assert all(isinstance(place, CommandPlace) for place in told.values()), {type(one) for one in told.values()}
    return answers[first : first + middle], told  # type: ignore[return-value]


async def stands(settings: Settings, told: dict[str, CommandPlace]) -> None:
    """Each stands where it was said to stand, and nothing stands twice."""
    records = [record for record in await read_topic(settings, COMMANDS, 4) if record.value == SMALL]
    assert {record.key.decode(): CommandPlace(record.partition, record.offset) for record in records} == told
    assert len(records) == len(told)


async def test_a_command_that_no_topic_of_ours_takes_never_comes_to_the_producer(log: CommandLog, settings: Settings):
    producer, small = producer_of(log), [str(uuid4()) for _ in range(40)]
    huge = [asyncio.create_task(log.append(str(uuid4()), b"h" * size)) for size in (MAX_COMMAND_BYTES, 3 * MAX_COMMAND_BYTES)]
    places = await asyncio.gather(*(log.append(order, SMALL) for order in small))

    for task in huge:
        with pytest.raises(CommandTooLarge, match=f"takes at most {MAX_COMMAND_BYTES}"):
            await task
    assert producer_of(log) is producer
    await stands(settings, dict(zip(small, places, strict=True)))


async def test_the_largest_command_that_may_be_is_taken(log: CommandLog, settings: Settings):
    """The bound leaves no gap in which the broker refuses what the gateway lets through."""
    header = [("traceparent", b"t" * 512)]
    room = MAX_COMMAND_BYTES
    while True:
        try:
            place = await log.append(str(uuid4()), b"x" * room, header)
            break
        except CommandTooLarge:
            room -= 1
    assert isinstance(place, CommandPlace)
    assert room > MAX_COMMAND_BYTES - 1024


async def test_when_an_operator_lowers_the_limit_a_large_command_has_its_own_error_and_the_others_stand(
    log: CommandLog, settings: Settings, health: Health
):
    told: dict[str, CommandPlace] = {}
    for partition in range(4):  # so that the broker knows the producer's sequence on each
        order = ids_on(partition, 1)[0]
        told[order] = await log.append(order, SMALL)
    await limit(settings, LOW)

    refusals, places = await appended(log, ids_on(1, 3), ids_on(1, 40) + ids_on(2, 10))
    assert [type(one) for one in refusals] == [CommandTooLarge] * 3
    assert f"takes at most {LOW}" in str(refusals[0])
    await stands(settings, told | places)

    producer = producer_of(log)
    more_refusals, more = await appended(log, ids_on(1, 20), ids_on(1, 40))
    assert [type(one) for one in more_refusals] == [CommandTooLarge] * 20
    assert producer_of(log) is producer, "the next large ones replace nothing"
    await stands(settings, told | places | more)


async def test_a_limit_that_is_raised_again_is_known_soon(log: CommandLog, settings: Settings):
    order = str(uuid4())
    await log.append(order, SMALL)
    await limit(settings, LOW)
    with pytest.raises(CommandTooLarge):
        await log.append(order, LARGE)
    await limit(settings, MAX_COMMAND_BYTES)

    async def taken() -> bool:
        try:
            await log.append(order, LARGE)
        except CommandTooLarge:
            return False
        return True

    await eventually(taken, 15)


async def test_aiokafka_loses_its_count_with_a_batch_that_is_refused(settings: Settings):
    """The reason for all this (aiokafka 0.14, Kafka 4.1): all that comes later on that partition is refused, for ever.

    When this fails, the library has learned to count back: then a producer can stay after a refusal.
    """
    producer = new_producer(settings, "test-sequence")
    await producer.start()
    try:
        await producer.send_and_wait(COMMANDS, SMALL, b"k", partition=0)
        await limit(settings, LOW)
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(COMMANDS, LARGE, b"k", partition=0)
        for _ in range(3):
            with pytest.raises(OutOfOrderSequenceNumber):
                await producer.send_and_wait(COMMANDS, SMALL, b"k", partition=0)
    finally:
        await producer.stop()
