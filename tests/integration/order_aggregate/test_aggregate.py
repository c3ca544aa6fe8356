"""The aggregate on a real broker: one command, one record, whatever stands in the topics."""

import asyncio
import json
import random
import signal
import time
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from event_schemas.topics import AGGREGATE_GROUP, COMMANDS, DAY_MS, DEAD_LETTERS, EVENTS
from infra.kafka.clients import connection, new_admin, new_producer
from infra.kafka.partitioner import partition_of
from infra.kafka.topic_guard import create_topics
from order_aggregate.command_retention import delete_old_commands
from tests.support.given import ORDER, Envelope, cancel, create, ship
from tests.support.raw_log import judge_log
from tests.support.service_process import eventually
from tests.support.topics import append_bytes, append_commands, read_topic

PARTITIONS = 4


def _some_commands(count: int, seed: int = 1):
    chance = random.Random(seed)
    orders = [uuid4() for _ in range(max(1, count // 3))]
    return [chance.choice([create, create, ship, cancel])(envelope=Envelope(order_id=chance.choice(orders))) for _ in range(count)]


async def _events(settings):
    return await read_topic(settings, EVENTS, PARTITIONS)


async def _all_decided(settings, commands, timeout_s: float = 20.0):
    ids = {str(command.id) for command in commands}
    seen = None

    async def decided() -> bool:
        nonlocal seen
        seen = judge_log(await _events(settings), ids)
        return not seen.lost

    await eventually(decided, timeout_s, lambda: str(seen))
    return seen


async def test_every_command_ends_in_one_record_in_order(settings, start_worker):
    commands = _some_commands(300)
    await create_topics(settings)
    await append_commands(settings, commands, PARTITIONS)
    start_worker()

    verdict = await _all_decided(settings, commands)

    assert verdict.clean, verdict
    assert (verdict.counted, verdict.void) == (300, 0)


async def test_a_worker_waits_for_topics_and_starts_when_they_come(settings, start_worker):
    worker = start_worker()
    assert "./orders topics create" in (await worker.until("waiting") or "")

    await create_topics(settings)
    await worker.until("running")

    commands = _some_commands(10)
    await append_commands(settings, commands, PARTITIONS)
    assert (await _all_decided(settings, commands)).clean


async def test_unreadable_and_misrouted_commands_go_unchanged_to_the_dead_letters(settings, start_worker):
    await create_topics(settings)
    stray = create()
    wrong = (partition_of(str(stray.order_id), PARTITIONS) + 1) % PARTITIONS
    value = stray.encoded()
    junk_offset = await append_bytes(settings, COMMANDS, b"\xff junk", key=b"k", partition=2, headers=[("h", b"1")])
    await append_bytes(settings, COMMANDS, value, key=str(stray.order_id).encode(), partition=wrong)
    after = _some_commands(20)
    await append_commands(settings, after, PARTITIONS)
    start_worker()

    assert (await _all_decided(settings, after)).clean
    letters = await read_topic(settings, DEAD_LETTERS, PARTITIONS)

    by_value = {letter.value: letter for letter in letters}
    assert by_value.keys() == {b"\xff junk", value}
    assert by_value[b"\xff junk"].key == b"k"
    told = " ".join(f"{name}={text.decode()}" for name, text in by_value[b"\xff junk"].headers)
    assert COMMANDS in told
    assert f"={junk_offset}" in told
    assert "h=1" in told
    assert "misrouted" in " ".join(text.decode() for _, text in by_value[value].headers)


async def test_a_command_whose_headers_fill_its_topic_ends_in_a_record_and_those_behind_it_too(settings, start_worker):
    """It stands there since an earlier release took a traceparent of any length, and no log took its record."""
    await create_topics(settings)
    command = create()
    order_id = str(command.order_id)
    partition = partition_of(order_id, PARTITIONS)
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-".ljust(1_047_500, b"a")
    headers = [("traceparent", trace)]
    await append_bytes(settings, COMMANDS, command.encoded(), key=order_id.encode(), partition=partition, headers=headers)
    behind = ship(envelope=Envelope(order_id=command.order_id))
    await append_commands(settings, [behind], PARTITIONS)
    start_worker()

    assert (await _all_decided(settings, [command, behind])).clean
    assert {name for record in await _events(settings) for name, _ in record.headers} >= {"ce_id", "place"}
    assert not any(name == "traceparent" for record in await _events(settings) for name, _ in record.headers)


async def test_a_command_with_ids_but_unusable_content_is_rejected(settings, start_worker):
    await create_topics(settings)
    command = create()
    message = json.loads(command.encoded()) | {"data": {"customer_id": "ada"}}
    order_id = str(command.order_id)
    await append_bytes(
        settings, COMMANDS, json.dumps(message).encode(), key=order_id.encode(), partition=partition_of(order_id, PARTITIONS)
    )
    start_worker()

    await _all_decided(settings, [command])
    (record,) = await _events(settings)

    assert json.loads(record.value)["data"]["code"] == "invalid_command"


async def test_garbage_in_the_log_displaces_the_writer_and_costs_nothing(settings, start_worker):
    await create_topics(settings)
    worker = start_worker()
    await worker.until("running")
    first, second = _some_commands(40, seed=1), _some_commands(40, seed=2)
    await append_commands(settings, first, PARTITIONS)
    await _all_decided(settings, first)

    for partition in range(PARTITIONS):
        await append_bytes(settings, EVENTS, b"not ours", partition=partition)
    await append_commands(settings, second, PARTITIONS)
    verdict = await _all_decided(settings, first + second)

    assert verdict.clean, verdict
    assert verdict.void > PARTITIONS, "what was displaced stands in the log, void"
    assert worker.process is not None
    assert worker.process.poll() is None, "the worker went on by itself"


async def test_offsets_committed_too_far_lose_nothing(settings, start_worker):
    """Resume: the log says where to go on, whatever the group has committed (FAUST.md 32)."""
    await create_topics(settings)
    commands = _some_commands(60)
    await append_commands(settings, commands, PARTITIONS)
    await _commit_to_the_end(settings)
    start_worker()

    assert (await _all_decided(settings, commands)).clean


async def _commit_to_the_end(settings) -> None:
    consumer = AIOKafkaConsumer(group_id=AGGREGATE_GROUP, enable_auto_commit=False, **connection(settings))
    await consumer.start()
    tps = [TopicPartition(COMMANDS, number) for number in range(PARTITIONS)]
    consumer.assign(tps)
    ends = await consumer.end_offsets(tps)
    await consumer.commit({tp: OffsetAndMetadata(ends[tp], "") for tp in tps})
    await consumer.stop()


async def test_a_replaced_command_topic_makes_its_partitions_wait(settings, start_worker):
    await create_topics(settings)
    commands = _some_commands(40)
    await append_commands(settings, commands, PARTITIONS)
    worker = start_worker()
    await _all_decided(settings, commands)
    worker.stop()
    admin = new_admin(settings, "test-admin")
    await admin.start()
    await admin.delete_topics([COMMANDS])
    await admin.close()

    async def created_anew() -> bool:
        try:
            return COMMANDS in await create_topics(settings)
        except Exception:  # noqa: BLE001 - the broker deletes topics in its own time
            return False

    await eventually(created_anew)
    again = start_worker()

    assert "the topic was replaced" in (await again.until("waiting") or "")


async def test_only_commands_both_decided_and_older_than_7_days_are_deleted(settings, start_worker):
    """Kept: Kafka's own retention would delete what no one has decided yet."""
    await create_topics(settings)
    eight_days_ago = int(time.time() * 1000) - 8 * DAY_MS
    old, young = [create(envelope=Envelope(order_id=ORDER)) for _ in range(3)], create(envelope=Envelope(order_id=ORDER))
    number = partition_of(str(ORDER), PARTITIONS)
    await append_commands(settings, old, PARTITIONS, timestamp_ms=eight_days_ago)
    await append_commands(settings, [young], PARTITIONS)

    assert await delete_old_commands(settings, {number: 2}) == {number: 2}, "the third is old, but not decided"
    assert await delete_old_commands(settings, {number: 4}) == {number: 3}, "the fourth is decided, but young"
    assert await delete_old_commands(settings, {number: 4}) == {}
    assert [record.offset for record in await read_topic(settings, COMMANDS, PARTITIONS)] == [3]


async def test_a_worker_goes_on_when_its_old_commands_are_gone(settings, start_worker):
    await create_topics(settings)
    first, second = _some_commands(30, seed=4), _some_commands(30, seed=5)
    await append_commands(settings, first, PARTITIONS, timestamp_ms=int(time.time() * 1000) - 8 * DAY_MS)
    worker = start_worker()
    await _all_decided(settings, first)
    worker.stop()
    last = {record.partition: int(dict(record.headers)["command_offset"]) for record in await _events(settings)}
    deleted = await delete_old_commands(settings, {number: offset + 1 for number, offset in last.items()})
    assert deleted.keys() == last.keys()

    start_worker()
    await append_commands(settings, second, PARTITIONS)

    assert (await _all_decided(settings, first + second)).clean


@pytest.mark.timeout(150)
@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
async def test_two_workers_lose_double_and_reorder_nothing(settings, start_worker, how):
    """Clean stops alone lose commands for ever in Faust as shipped; here not even freezes beyond the session timeout do."""
    await create_topics(settings)
    workers = [start_worker(), start_worker()]
    for worker in workers:
        await worker.until("running")
    commands = _some_commands(1200, seed=3)
    disturbing = asyncio.create_task(_disturb(workers, start_worker, how))
    await _append_steadily(settings, commands, per_second=80)
    await disturbing

    verdict = await _all_decided(settings, commands, timeout_s=40)

    assert verdict.clean, verdict
    assert verdict.counted == len(commands)


async def _append_steadily(settings, commands, *, per_second: int) -> None:
    producer = new_producer(settings, "test-commands")
    await producer.start()
    begin = time.monotonic()
    for index, command in enumerate(commands):
        order_id = str(command.order_id)
        await producer.send_and_wait(
            COMMANDS,
            command.encoded(),
            key=order_id.encode(),
            partition=partition_of(order_id, PARTITIONS),
        )
        await asyncio.sleep(max(0.0, begin + index / per_second - time.monotonic()))
    await producer.stop()


async def _disturb(workers, start_worker, how: str) -> None:
    if how == "frozen":
        victim = workers[0]
        victim.send(signal.SIGSTOP)
        await asyncio.sleep(8.5)  # beyond the session timeout of 6 s, so the other takes over
        victim.send(signal.SIGCONT)
        return
    for index in (0, 1, 0):
        await asyncio.sleep(2.5)
        if how == "stopped":
            assert workers[index].stop() == 0
        else:
            workers[index].end()
        workers[index] = start_worker()
