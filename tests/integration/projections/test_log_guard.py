"""The log guard while a worker runs: an altered topic, and a log that is no longer the one that was applied."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from event_schemas.topics import EVENTS, TOPICS
from infra.kafka.clients import new_admin
from infra.kafka.topic_guard import topics_watched
from infra.process.health import Health
from tests.integration.projections.rebuild_kit import some_records
from tests.support.fetched import fetched_run
from tests.support.records import created
from tests.support.service_process import eventually

KEPT = next(topic.settings for topic in TOPICS if topic.name == EVENTS)


async def test_a_topic_that_is_altered_later_is_noticed_and_forgiven(stand):
    health = Health("projections")
    health.started()
    admin: AIOKafkaAdminClient = new_admin(stand.settings, "tests")
    await admin.start()

    async def alter(**changed: str) -> None:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, EVENTS, configs=KEPT | changed)])

    async def is_in(state: str) -> bool:
        return health.state == state

    try:
        async with topics_watched(stand.settings, health, every_s=0.2):
            await alter(**{"cleanup.policy": "compact"})
            await eventually(lambda: is_in("waiting"))
            assert "order-events has cleanup.policy=compact, which may lose records: set it with" in str(health.detail)
            await alter()
            await eventually(lambda: is_in("running"))
    finally:
        await alter()
        await admin.close()


async def test_a_log_that_is_replaced_while_records_come_is_not_applied(worker, database, monkeypatch):
    monkeypatch.setattr("projections.live.log_witness.RECHECK_S", 0.0)
    worker.projector._recheck._look_at = 0.0
    await worker.projector.handle({0: fetched_run([created()]), 1: fetched_run([created()], partition=1)})
    worker.witness.objecting = {0: "the log ends at 0: `./orders projections rebuild --promote`"}
    await worker.projector.handle({})  # looks
    await asyncio.sleep(0.01)

    progress = await worker.projector.handle({0: fetched_run([created()], start=1)})

    assert progress.closed == frozenset({0})
    assert database.next_offsets()[0] == 1
    assert worker.health.state == "waiting"
    assert "rebuild" in str(worker.health.detail)
    assert dict((await worker.projector.handle({1: fetched_run([created()], start=1, partition=1)})).done) == {1: 2}

    worker.witness.objecting = {}
    monkeypatch.setattr("projections.live.projector.time.monotonic", lambda: 1e12)
    assert dict((await worker.projector.handle({})).reopen) == {0: 1}
    assert worker.health.detail is None


async def test_a_recheck_forgets_partitions_that_went_to_another_worker(worker):
    await worker.projector.handle({0: fetched_run([created()])})
    worker.projector._recheck._look_at = 0.0
    worker.witness.objecting = {0: "another log"}
    await worker.projector.handle({})
    await worker.projector.assigned(frozenset({1}))
    await asyncio.sleep(0.01)
    assert (await worker.projector.handle({1: fetched_run([created()], partition=1)})).closed == frozenset()


async def test_checkpoints_beyond_the_logs_end_keep_a_worker_waiting_with_what_to_do(stand):
    from infra.kafka.clients import new_piece_reader
    from projections.live.log_witness import KafkaWitness
    from projections.store.checkpoints import Checkpoint

    await stand.append(some_records(5))
    witness = KafkaWitness(lambda: new_piece_reader(stand.settings, "tests"))
    objections = await witness.objections([Checkpoint(1, 10_000)])
    assert "the log ends at" in objections[1]
    assert "./orders projections rebuild --promote --accept-differences" in objections[1]
