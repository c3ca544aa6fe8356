"""Rebuilds on real servers: the same rows, resumed after any kill, in silence."""

import asyncio
import multiprocessing
import os
import random
import signal
import sys

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from psycopg import AsyncConnection

from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS, TOPICS
from infra.kafka.clients import new_admin
from infra.postgres.connections import connection_arguments
from order_service.commands.projections.asked import status_of
from projections.rebuild.progress import RebuildProgress
from projections.rebuild.rebuild import Rebuild, RebuildOptions
from projections.rebuild.workers import RebuildStopped
from projections.rebuild.writer import Overtaken, open_writer
from projections.store.advisory_locks import Busy
from projections.store.checkpoints import read_checkpoints
from tests.integration.projections.conftest import FIRST
from tests.integration.projections.rebuild_kit import some_records
from tests.support.service_process import CHECKOUT, eventually
from tests.support.topics import read_topic

SECOND = "projections_2"


def indexes(database, schema):
    statement = "select replace(indexdef, %s, '') from pg_indexes where schemaname = %s order by tablename, indexname"
    return database.all(statement, schema, schema)


async def test_a_rebuild_gives_the_live_paths_rows_and_indexes(stand):
    await stand.append(some_records(300))
    await stand.log.append_bytes(1, b"junk")
    await stand.log.append_void(some_records(1)[0])
    await stand.follow()

    assert await stand.rebuild() == SECOND

    assert stand.database.everything(SECOND) == stand.database.everything(FIRST)
    assert indexes(stand.database, SECOND) == indexes(stand.database, FIRST)
    states = stand.database.all("select schema, state from projections.generations order by schema")
    assert states == [(FIRST, "live"), (SECOND, "ready")]
    assert stand.database.all("select schema from projections.live") == [(FIRST,)]


async def test_what_comes_during_a_rebuild_is_caught_up_with(stand):
    records = some_records(2600)
    await stand.append(records[:100])
    await stand.follow()
    appended = []

    def watch(progress: RebuildProgress) -> None:
        if progress.phase == "indexing" and not appended:
            appended.append(asyncio.get_running_loop().create_task(stand.append(records[100:])))

    generation = await Rebuild(stand.settings, RebuildOptions(), watch).run()
    await appended[0]
    await stand.follow()
    assert sum(stand.database.next_offsets(generation.schema).values()) >= 100


async def _publicly_visible(stand) -> object:
    """Every topic's end and every group's offsets, and how often PostgreSQL notified anyone."""
    topics = {topic: len(await read_topic(stand.settings, topic, 4)) for topic in (COMMANDS, EVENTS, DEAD_LETTERS)}
    admin: AIOKafkaAdminClient = new_admin(stand.settings, "tests")
    await admin.start()
    try:
        groups = {name: await admin.list_consumer_group_offsets(name) for name, _ in await admin.list_consumer_groups()}
        known = sorted(await admin.list_topics())
    finally:
        await admin.close()
    return topics, groups, known


async def test_a_rebuild_and_a_verification_are_silent(stand):
    await stand.append(some_records(200))
    await stand.log.append_bytes(2, b"junk")
    await stand.follow()
    live, before = stand.database.everything(FIRST), await _publicly_visible(stand)

    await stand.rebuild()
    await stand.verify()

    assert await _publicly_visible(stand) == before
    assert stand.database.everything(FIRST) == live


def _start(settings, *more: str) -> asyncio.subprocess.Process:
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "ORDERS_REPLICATION": "1",
        "ORDERS_PARTITIONS": "4",
    }
    arguments = [sys.executable, "-m", "order_service", "projections", "rebuild", "--json", *more]
    return asyncio.create_subprocess_exec(*arguments, env=environment, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE)


async def test_killed_at_any_moment_it_resumes_and_the_result_is_equal(stand):
    await stand.append(some_records(3000))
    await stand.follow()
    chance = random.Random(5)
    interrupted = 0
    for _ in range(3):
        process = await _start(stand.settings, "--throttle", "1500")
        assert process.stdout is not None
        await process.stdout.readline()  # it is at work
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        interrupted += stand.database.all("select state from projections.generations where schema = %s", SECOND) == [("building",)]
        # Its workers end with it, and let their partitions go.
        await eventually(lambda gone=children: _all_gone(gone), 10)

    assert interrupted >= 2
    assert await stand.rebuild() == SECOND
    assert stand.database.everything(SECOND) == stand.database.everything(FIRST)


async def _all_gone(processes) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


async def test_a_killed_worker_is_replaced(stand):
    await stand.append(some_records(2000))
    await stand.follow()
    killed = []

    def watch(progress: RebuildProgress) -> None:
        if progress.records > 500 and not killed:
            worker = multiprocessing.active_children()[0]
            killed.append(worker.pid)
            worker.kill()

    await Rebuild(stand.settings, RebuildOptions(throttle=1500), watch).run()

    assert killed
    assert stand.database.everything(SECOND) == stand.database.everything(FIRST)


async def test_two_rebuilds_at_once_are_one(stand):
    await stand.append(some_records(1000))
    first = asyncio.create_task(stand.rebuild(throttle=1000))
    await eventually(lambda: _has_generation(stand.database))
    with pytest.raises(Busy):
        await stand.rebuild()
    await first


async def _has_generation(database) -> bool:
    return bool(database.all("select to_regclass('projections.generations') is not null")[0][0]) and bool(
        database.all("select 1 from projections.generations where state = 'building'")
    )


async def test_an_unsafe_log_is_not_rebuilt_from(stand):
    await stand.append(some_records(5))
    admin: AIOKafkaAdminClient = new_admin(stand.settings, "tests")
    await admin.start()
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    def altered(value: str) -> ConfigResource:
        kept = next(topic.settings for topic in TOPICS if topic.name == EVENTS)
        return ConfigResource(ConfigResourceType.TOPIC, EVENTS, configs=kept | {"retention.ms": value})

    try:
        await admin.alter_configs([altered("1000000")])
        with pytest.raises(RebuildStopped, match=r"retention.ms=1000000"):
            await stand.rebuild()
    finally:
        await admin.alter_configs([altered("-1")])
        await admin.close()


async def test_status_tells_how_far_each_generation_is(stand):
    await stand.append(some_records(50))
    await stand.follow()
    await stand.rebuild()
    await stand.append(some_records(60)[60:])

    status = await status_of(stand.settings)

    assert status.live == FIRST
    lags = {one.generation.schema: (one.generation.state, one.lag_records) for one in status.generations}
    more = len(some_records(60)) - 60
    assert lags == {FIRST: ("live", more), SECOND: ("ready", more)}
    assert all(one.lag_seconds is not None and one.lag_seconds >= 0 for one in status.generations)


async def test_a_writer_whose_partition_someone_else_wrote_writes_nothing(stand):
    await stand.append(some_records(60))
    await stand.follow()
    schema = await stand.rebuild()
    await stand.append(some_records(90)[60:])
    run = [record for record in await read_topic(stand.settings, EVENTS, 4) if record.partition == 2]
    connect = connection_arguments(stand.settings, "test")
    async with await AsyncConnection.connect(**connect, autocommit=True) as connection:
        checkpoint = next(one for one in await read_checkpoints(connection, schema) if one.partition == 2)
        assert checkpoint.next_offset < len(run)
        first, second = [await open_writer(connection, schema, checkpoint, bare=False, skip_poison=True) for _ in range(2)]
        for writer in (first, second):
            await writer.take(run)
        await first.save()
        once = stand.database.everything(schema)
        with pytest.raises(Overtaken):
            await second.save()
    assert stand.database.everything(schema) == once
