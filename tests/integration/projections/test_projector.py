"""The worker's guarantees on a real PostgreSQL: nothing is lost, doubled, or written by someone who lost the partition."""

import asyncio

import psycopg
import pytest
from prometheus_client import REGISTRY

from event_schemas.decoding import NewerSchema
from projections.live import runs
from tests.integration.projections.conftest import FIRST, Worker
from tests.support.fetched import fetched, fetched_run
from tests.support.records import cancelled, created, rejected, shipped


class Killed(Exception):
    """Stands for the end of the process."""


class DeadlyTable:
    """A table behind the others: when its turn comes, theirs are written and the process ends, or its connection does."""

    def __init__(self, strike) -> None:
        self.strike = strike

    name = "deadly"

    async def load(self, connection, schema, records) -> None:
        """Nothing: it has no rows."""

    async def apply(self, connection, schema, held) -> tuple:
        strike, self.strike = self.strike, None
        if strike:
            await strike(connection)
        return ()


def _story():
    order, other = created(), created(customer_id="bob")
    return [order, other, shipped(order.order_id), cancelled(other.order_id, customer_id="bob"), rejected(order.order_id, version=2)]


async def test_every_table_gets_its_rows(worker, database):
    progress = await worker.projector.handle({1: fetched_run(_story(), partition=1)})

    assert (dict(progress.done), dict(progress.reopen), progress.closed) == ({1: 5}, {}, frozenset())
    counts = {name: len(rows) for name, rows in database.everything().items()}
    assert counts == {
        "order_details": 2,
        "order_history": 5,
        "customer_summaries": 2,
        "daily_sales": 1,
        "command_outcomes": 5,
        "checkpoints": 3,
    }
    assert database.next_offsets() == {0: 0, 1: 5, 2: 0}


async def test_the_same_records_one_by_one_or_at_once_give_the_same_rows(worker, new_worker, database):
    records = fetched_run(_story())
    await worker.projector.handle({0: records})
    at_once = database.everything()
    database.run("drop schema projections cascade")
    database.run(f"drop schema {FIRST} cascade")

    again = new_worker()
    await again.own_all()
    for record in records:
        await again.projector.handle({0: [record]})

    assert database.everything() == at_once


async def test_a_process_that_ends_before_the_commit_leaves_nothing(worker, database):
    before = database.everything()

    async def die(_):
        raise Killed

    worker.tables.append(DeadlyTable(die))
    with pytest.raises(Killed):
        await worker.projector.handle({0: fetched_run(_story())})

    assert database.everything() == before


async def test_a_connection_lost_before_the_commit_costs_a_repeat_and_nothing_else(worker, database):
    async def lose(connection):
        database.all("select pg_terminate_backend(%s)", connection.info.backend_pid)
        await connection.execute("select 1")

    worker.tables.append(DeadlyTable(lose))
    await worker.projector.handle({0: fetched_run(_story())})

    assert database.next_offsets()[0] == 5
    assert database.rows("daily_sales")[0][3] == 1  # two orders, one of them cancelled


async def test_a_commit_whose_answer_is_lost_is_not_applied_again(worker, database, monkeypatch):
    """The worker can't know that its commit went through; the checkpoint can."""
    in_transaction = worker.session.in_transaction
    records = {0: fetched_run(_story())}

    async def twice(work):
        await in_transaction(work)
        return await in_transaction(work)

    monkeypatch.setattr(worker.session, "in_transaction", twice)
    progress = await worker.projector.handle(records)

    assert dict(progress.done) == {0: 5}
    assert database.rows("daily_sales")[0][3] == 1


async def test_repeated_and_overlapping_fetches_add_nothing(worker, database):
    records = fetched_run([*_story(), *_story()])
    await worker.projector.handle({0: records[:6]})
    await worker.projector.handle({0: records[:6]})
    await worker.projector.handle({0: records[2:]})
    once = database.everything()
    await worker.projector.handle({0: records})

    assert database.everything() == once
    assert database.next_offsets()[0] == 10
    assert len(database.rows("order_history")) == 10


async def test_a_hole_is_not_skipped_but_read_again(worker, database):
    records = fetched_run([created() for _ in range(6)])
    progress = await worker.projector.handle({0: [*records[:2], *records[3:]], 1: fetched_run([created()], partition=1)})

    assert dict(progress.reopen) == {0: 2}
    assert dict(progress.done) == {0: 2, 1: 1}
    assert len(database.rows("order_history")) == 3


async def test_a_fetch_that_begins_above_the_checkpoint_is_read_again_from_there(worker, database):
    progress = await worker.projector.handle({0: fetched_run([created()], start=7)})
    assert dict(progress.reopen) == {0: 0}
    assert database.rows("order_history") == []


async def test_a_worker_that_lost_its_partition_writes_nothing(worker, new_worker, database):
    stale, records = new_worker(), fetched_run([created() for _ in range(6)])
    await stale.own_all()
    await worker.projector.handle({0: records[:4]})
    once = database.everything()

    await stale.projector.handle({0: records[:2]})
    assert database.everything() == once
    await stale.projector.handle({0: records[:4]})
    assert database.everything() == once


async def test_two_workers_on_one_partition_at_the_same_moment_apply_each_record_once(worker, new_worker, database):
    other = new_worker()
    await other.own_all()
    records = fetched_run([created() for _ in range(200)])
    for start in range(0, 200, 20):
        piece = {0: records[start : start + 20]}
        await asyncio.gather(worker.projector.handle(piece), other.projector.handle(piece))

    assert database.rows("daily_sales")[0][3] == 200
    assert len(database.rows("order_history")) == 200
    assert database.next_offsets()[0] == 200


async def test_garbage_is_kept_before_it_is_passed(worker, database):
    reached = []

    async def look() -> None:
        reached.append(database.next_offsets()[0])

    worker.before_letter = look
    await worker.projector.handle({0: [fetched(created(), 0), fetched(b"junk", 1), fetched(created(), 2)]})

    assert reached == [0]
    assert [(record.offset, record.value) for record, _ in worker.letters] == [(1, b"junk")]
    assert database.next_offsets()[0] == 3


async def test_garbage_that_can_not_be_kept_is_not_passed(worker, database):
    async def refuse() -> None:
        raise Killed

    worker.before_letter = refuse
    with pytest.raises(Killed):
        await worker.projector.handle({0: [fetched(created(), 0), fetched(b"junk", 1)]})

    assert database.next_offsets()[0] == 0
    assert database.rows("order_history") == []


async def test_garbage_fetched_again_is_kept_once(worker):
    for _ in range(3):
        await worker.projector.handle({0: [fetched(b"junk", 0)]})
    assert len(worker.letters) == 1


async def test_what_is_passed_by_is_counted_once(worker):
    names = ("orders_void_records_total", "orders_unreadable_records_total")
    before = [REGISTRY.get_sample_value(name) for name in names]
    for _ in range(2):
        await worker.projector.handle({0: [fetched(created(), 0, place=9), fetched(b"junk", 1), fetched(created(), 2)]})
    assert [REGISTRY.get_sample_value(name) for name in names] == [one + 1 for one in before]


async def test_a_later_releases_record_stops_its_partition_only(worker, database, monkeypatch):
    def later(record):
        if record.partition == 0 and record.offset == 1:
            raise NewerSchema("deploy the later release")
        return real(record)

    real = runs.classify
    monkeypatch.setattr(runs, "classify", later)
    progress = await worker.projector.handle(
        {0: fetched_run([created() for _ in range(3)]), 1: fetched_run([created(), created()], partition=1)}
    )

    assert progress.closed == frozenset({0})
    assert dict(progress.done) == {0: 1, 1: 2}
    assert database.next_offsets() == {0: 1, 1: 2, 2: 0}
    assert worker.health.state == "waiting"
    assert "order-events/0 at 1" in str(worker.health.detail)


async def test_a_record_written_by_hand_with_a_character_that_postgresql_refuses_is_no_record(worker, database):
    await worker.projector.handle({0: [fetched(created(correlation_id="a\0b"), 0)]})
    assert [record.offset for record, _ in worker.letters] == [0]
    assert database.next_offsets()[0] == 1


async def test_rows_are_equal_in_every_generation(worker: Worker, database):
    """Nothing in a row says when it was folded."""
    await worker.projector.handle({0: fetched_run(_story())})
    columns = database.all(
        "select table_name, column_name from information_schema.columns where table_schema = %s and column_default is not null", FIRST
    )
    assert columns == []


async def test_the_store_is_postgresql_and_no_table_is_registered_with_faust(worker):
    for table in worker.tables:
        assert type(table.data).__name__ == "PostgresStore"
        assert "@" not in str(table.data.url)
        assert table not in table.app.tables.values()


async def test_data_that_postgresql_refuses_ends_the_process_and_is_not_skipped(worker, database):
    class RefusedTable:
        name = "refused"

        async def load(self, connection, schema, records):
            pass

        async def apply(self, connection, schema, held):
            await connection.execute("select 'x'::integer")
            return ()

    worker.tables.append(RefusedTable())
    with pytest.raises(psycopg.DataError):
        await worker.projector.handle({0: fetched_run([created()])})
    assert database.next_offsets()[0] == 0
