"""Generations: the first is made once, whoever asks; a worker writes only what its release folds."""

import asyncio

import pytest
from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable

from infra.postgres.connections import DatabaseSession
from infra.process.health import Health
from projections.store.generations import create_generation, ensure_live_generation
from projections.tables.registry import FOLD_VERSION
from tests.integration.projections.conftest import FIRST, make_worker
from tests.support.fetched import fetched_run
from tests.support.records import created


async def test_many_workers_at_once_make_one_generation(settings, database):
    sessions = [DatabaseSession(settings, Health("projections"), "test") for _ in range(8)]
    made = await asyncio.gather(
        *(session.in_transaction(lambda c: ensure_live_generation(c, fold_version=FOLD_VERSION, partitions=3)) for session in sessions)
    )
    for session in sessions:
        await session.close()

    assert {generation.schema for generation in made} == {FIRST}
    assert database.all("select schema, fold_version, partitions, state from projections.generations") == [(FIRST, FOLD_VERSION, 3, "live")]
    assert database.next_offsets() == {0: 0, 1: 0, 2: 0}


async def test_a_worker_does_not_write_what_another_release_folded(worker, database, monkeypatch):
    await worker.projector.handle({0: fetched_run([created()])})
    before = database.everything()
    database.run(f"update projections.generations set fold_version = {FOLD_VERSION + 1}")

    progress = await worker.projector.handle({0: fetched_run([created()], start=1)})

    assert progress.closed == frozenset({0})
    assert "rebuild" in str(worker.health.detail)
    assert database.everything() == before

    database.run(f"update projections.generations set fold_version = {FOLD_VERSION}")
    monkeypatch.setattr("projections.live.projector.time.monotonic", lambda: 1e12)
    assert dict((await worker.projector.handle({})).reopen) == {0: 1}
    assert worker.health.detail is None


async def test_partitions_that_wait_are_opened_again_although_others_bring_records_all_the_time(worker, database, monkeypatch):
    database.run(f"update projections.generations set fold_version = {FOLD_VERSION + 1}")
    assert (await worker.projector.handle({0: fetched_run([created()])})).closed == frozenset({0})
    database.run(f"update projections.generations set fold_version = {FOLD_VERSION}")
    monkeypatch.setattr("projections.live.projector.time.monotonic", lambda: 1e12)

    progress = await worker.projector.handle({1: fetched_run([created()], partition=1)})

    assert (dict(progress.done), dict(progress.reopen)) == ({1: 1}, {0: 0})
    assert worker.health.detail is None


async def test_a_worker_that_waited_for_a_switch_goes_on_in_the_new_generation(worker, settings, database):
    """`for share` on a row that was changed meanwhile looks at it once more: a join would find that it no longer fits."""
    async with await AsyncConnection.connect(settings.database_url.get_secret_value(), autocommit=True) as switching:
        await create_generation(switching, fold_version=FOLD_VERSION, partitions=3, state="ready")
        async with switching.transaction():
            await switching.execute("update projections.live set schema = 'projections_2'")
            handling = asyncio.create_task(worker.projector.handle({0: fetched_run([created()])}))
            waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'test-projections'"
            while not database.all(waits):
                await asyncio.sleep(0.01)
    progress = await handling

    assert (dict(progress.done), progress.closed) == ({0: 1}, frozenset())
    assert (database.next_offsets(FIRST)[0], database.next_offsets("projections_2")[0]) == (0, 1)


async def test_nothing_is_opened_while_the_live_generation_is_another_releases(worker, new_worker, database):
    database.run(f"update projections.generations set fold_version = {FOLD_VERSION + 1}")
    late = new_worker()
    assert await late.own_all() == {}
    assert late.health.state == "waiting"


async def test_a_log_of_another_partition_count_is_refused(worker, settings):
    other = make_worker(settings, partitions=5)
    assert await other.projector.assigned(frozenset({0, 4})) == {}
    assert "3 partitions" in str(other.health.detail)
    await other.session.close()


async def test_a_partition_whose_checkpoint_is_not_from_this_log_waits_and_the_others_go_on(new_worker, monkeypatch):
    worker = new_worker()
    worker.witness.objecting = {1: "another log"}
    assert await worker.own_all() == {0: 0, 2: 0}
    assert worker.health.detail == "another log"

    worker.witness.objecting = {}
    assert dict((await worker.projector.handle({})).reopen) == {}  # not before it is time to look again
    monkeypatch.setattr("projections.live.projector.time.monotonic", lambda: 1e12)
    assert dict((await worker.projector.handle({})).reopen) == {1: 0}
    assert worker.health.detail is None


async def test_the_worker_follows_the_pointer_to_another_generation(worker, database):
    """A promotion moves the pointer; the worker goes on at that generation's own checkpoints."""
    records = fetched_run([created() for _ in range(4)])
    await worker.projector.handle({0: records[:2]})
    database.run("create schema projections_2")
    for table in ("order_details", "order_history", "customer_summaries", "daily_sales", "command_outcomes", "checkpoints", "parked"):
        database.run(f"create table projections_2.{table} (like {FIRST}.{table} including all)")
    database.run("insert into projections_2.checkpoints select partition, 0 from generate_series(0, 2) as partition")
    database.run(f"insert into projections.generations values ('projections_2', {FOLD_VERSION}, 3, 'live')")
    database.run("update projections.live set schema = 'projections_2'")

    progress = await worker.projector.handle({0: records[2:]})
    assert dict(progress.reopen) == {0: 0}
    await worker.projector.handle({0: records})

    assert len(database.rows("order_history", "projections_2")) == 4
    assert len(database.rows("order_history")) == 2


async def test_the_pointer_does_not_move_while_a_fetch_is_being_applied(worker, database):
    """Otherwise a fetch could be committed to a generation that has just been found equal and put aside."""
    tried = []

    class LookingTable:
        name = "looking"

        async def load(self, connection, schema, records):
            pass

        async def apply(self, connection, schema, held):
            database.run("set lock_timeout = '200ms'")
            with pytest.raises(LockNotAvailable):
                database.run("update projections.live set schema = schema")
            tried.append(schema)
            return ()

    worker.tables.append(LookingTable())
    await worker.projector.handle({0: fetched_run([created()])})
    assert tried == [FIRST]


async def test_the_first_generation_does_not_stumble_over_an_orphaned_schema(new_worker, database):
    database.run("create schema projections_7")
    await new_worker().own_all()
    assert database.all("select schema from projections.live") == [("projections_8",)]
