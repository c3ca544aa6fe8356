"""The worker's guards, each taken out on a real PostgreSQL, and its twin with the guard. "Nets off" as in tests/integration/guards."""

import asyncio

import pytest
from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from infra.kafka.clients import new_piece_reader
from projections.live import projector as projector_module
from projections.live import runs
from projections.live.log_witness import KafkaWitness
from projections.live.projector import Projector
from projections.store.checkpoints import lock_checkpoints, read_checkpoints, save_checkpoints
from projections.store.generations import live_generation
from projections.tables.registry import FOLD_VERSION
from tests.integration.projections.conftest import FIRST, make_topics_anew, make_worker
from tests.integration.projections.rebuild_kit import PARTITIONS as COUNT
from tests.integration.projections.rebuild_kit import some_records
from tests.integration.projections.test_projector import Killed
from tests.support.fetched import fetched, fetched_run
from tests.support.records import created


def take_whatever_comes(monkeypatch) -> None:
    """`next` taken out."""
    monkeypatch.setattr(runs, "run_from", lambda _next, records: (records, False))


def _orders(database) -> int:
    """How many orders the sums hold."""
    return sum(row[3] for row in database.rows("daily_sales"))


async def test_without_skipping_what_was_applied_a_fetch_that_comes_again_is_added_twice(worker, database, monkeypatch):
    """Nets off: the other tables, whose rows can stand only once."""
    take_whatever_comes(monkeypatch)
    worker.tables[:] = [table for table in worker.tables if table.name == "daily_sales"]
    for _ in range(2):
        await worker.projector.handle({0: fetched_run([created(), created()])})

    assert _orders(database) == 4


async def test_with_skipping_what_was_applied_a_fetch_that_comes_again_adds_nothing(worker, database):
    records = fetched_run([created(), created()])
    for _ in range(2):
        await worker.projector.handle({0: records})

    assert _orders(database) == 2


async def test_without_the_look_for_holes_a_dropped_record_is_missing_for_ever(worker, database, monkeypatch):
    take_whatever_comes(monkeypatch)
    records = fetched_run([created() for _ in range(3)])
    progress = await worker.projector.handle({0: [records[0], records[2]]})

    assert (dict(progress.reopen), database.next_offsets()[0], _orders(database)) == ({}, 3, 2)


async def test_with_the_look_for_holes_the_dropped_record_is_read_again(worker, database):
    records = fetched_run([created() for _ in range(3)])
    progress = await worker.projector.handle({0: [records[0], records[2]]})
    assert dict(progress.reopen) == {0: 1}
    await worker.projector.handle({0: records[1:]})

    assert (database.next_offsets()[0], _orders(database)) == (3, 3)


async def test_without_one_transaction_for_rows_and_checkpoint_a_kill_between_them_loses_the_rows(worker, database, monkeypatch):
    async def not_locked(connection, schema, partitions):
        return [one for one in await read_checkpoints(connection, schema) if one.partition in partitions]

    async def saved_on_its_own(_connection, schema, checkpoints):
        async with await AsyncConnection.connect(database.url) as own:
            await save_checkpoints(own, schema, checkpoints)
        raise Killed

    monkeypatch.setattr(projector_module, "lock_checkpoints", not_locked)
    monkeypatch.setattr(projector_module, "save_checkpoints", saved_on_its_own)
    with pytest.raises(Killed):
        await worker.projector.handle({0: fetched_run([created(), created()])})

    assert (database.next_offsets()[0], _orders(database)) == (2, 0)


async def test_with_one_transaction_for_rows_and_checkpoint_a_kill_leaves_neither(worker, new_worker, database, monkeypatch):
    async def then_killed(connection, schema, checkpoints):
        await save_checkpoints(connection, schema, checkpoints)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(projector_module, "save_checkpoints", then_killed)
        with pytest.raises(Killed):
            await worker.projector.handle({0: fetched_run([created(), created()])})
    assert (database.next_offsets()[0], _orders(database)) == (0, 0)

    again = new_worker()
    await again.own_all()
    await again.projector.handle({0: fetched_run([created(), created()])})
    assert (database.next_offsets()[0], _orders(database)) == (2, 2)


async def _a_slow_worker_that_lost_its_partition(worker, new_worker, monkeypatch, lock):
    """It has its checkpoint, then the owner applies that fetch and another, then it saves. Nets off: tables with one row a record."""
    slow, begun = new_worker(), asyncio.Event()
    await slow.own_all()
    for one in (worker, slow):
        one.tables[:] = [table for table in one.tables if table.name == "customer_summaries"]

    async def slowly_for_the_first(connection, schema, partitions):
        found = await lock(connection, schema, partitions)
        if not begun.is_set():
            begun.set()
            await asyncio.sleep(0.4)
        return found

    monkeypatch.setattr(projector_module, "lock_checkpoints", slowly_for_the_first)
    records = fetched_run([created(customer_id=name) for name in ("ada", "bob", "cyd")])
    saving = asyncio.create_task(slow.projector.handle({0: records[:1]}))
    await begun.wait()
    await worker.projector.handle({0: records[:1]})
    await worker.projector.handle({0: records[1:2]})
    await saving
    progress = await worker.projector.handle({0: records[2:]})
    for start in progress.reopen.values():
        await worker.projector.handle({0: records[start:]})


def _orders_of(database, customer: str) -> int:
    return sum(orders for (orders,) in database.all(f"select orders from {FIRST}.customer_summaries where customer_id = %s", customer))


async def test_without_locking_the_checkpoint_a_worker_that_lost_its_partition_sets_it_back_and_a_record_is_added_twice(
    worker, new_worker, database, monkeypatch
):
    async def not_locked(connection, schema, partitions):
        return [one for one in await read_checkpoints(connection, schema) if one.partition in partitions]

    await _a_slow_worker_that_lost_its_partition(worker, new_worker, monkeypatch, not_locked)

    assert _orders_of(database, "bob") == 2


async def test_with_locking_the_checkpoint_every_record_is_added_once_whoever_has_it(worker, new_worker, database, monkeypatch):
    await _a_slow_worker_that_lost_its_partition(worker, new_worker, monkeypatch, lock_checkpoints)

    assert [_orders_of(database, name) for name in ("ada", "bob", "cyd")] == [1, 1, 1]


class _ThePointerMoves:
    """A promotion that comes in the middle of a fetch."""

    name = "moving"

    def __init__(self, database) -> None:
        self.database, self.waited = database, False

    async def load(self, *_):
        """Nothing."""

    async def apply(self, *_):
        self.database.run("set lock_timeout = '200ms'")
        try:
            self.database.run("update projections.live set schema = 'projections_2'")
        except LockNotAvailable:
            self.waited = True
        return ()


def _second_generation(database) -> None:
    database.run("create schema projections_2")
    for table in ("order_details", "order_history", "customer_summaries", "daily_sales", "command_outcomes", "checkpoints", "parked"):
        database.run(f"create table projections_2.{table} (like {FIRST}.{table} including all)")
    database.run(f"insert into projections.generations values ('projections_2', {FOLD_VERSION}, 3, 'ready')")


async def test_without_for_share_a_fetch_goes_to_a_generation_that_was_just_found_equal_and_put_aside(worker, database, monkeypatch):
    async def not_held(connection, *, for_share):
        return await live_generation(connection)

    _second_generation(database)
    monkeypatch.setattr(projector_module, "live_generation", not_held)
    worker.tables.append(moving := _ThePointerMoves(database))
    await worker.projector.handle({0: fetched_run([created()])})

    assert not moving.waited
    assert database.all("select schema from projections.live") == [("projections_2",)]
    assert _orders(database) == 1, "written to the first, which is no longer live"


async def test_with_for_share_the_pointer_waits_until_the_fetch_is_written(worker, database):
    _second_generation(database)
    worker.tables.append(moving := _ThePointerMoves(database))
    await worker.projector.handle({0: fetched_run([created()])})

    assert moving.waited
    assert database.all("select schema from projections.live") == [(FIRST,)]


async def _two_fetches_in_other_orders(worker, new_worker, monkeypatch):
    """Nets off: a transaction that met a deadlock is repeated."""
    other = new_worker()
    await other.own_all()
    for one in (worker, other):
        connection = await one.session._connected()

        async def once(work, connection=connection):
            async with connection.transaction():
                return await work(connection)

        monkeypatch.setattr(one.session, "in_transaction", once)
    forth = {number: fetched_run([created()], partition=number) for number in (0, 1)}
    back = dict(reversed(forth.items()))
    await asyncio.gather(worker.projector.handle(forth), other.projector.handle(back))


async def test_without_one_order_of_locks_two_workers_stand_in_each_others_way(worker, new_worker, monkeypatch):
    async def as_handed(connection, schema, partitions):
        found = []
        for partition in partitions:
            found += await lock_checkpoints(connection, schema, [partition])
            await asyncio.sleep(0.2)
        return found

    monkeypatch.setattr(projector_module, "lock_checkpoints", as_handed)
    with pytest.raises(DeadlockDetected):
        await _two_fetches_in_other_orders(worker, new_worker, monkeypatch)


async def test_with_one_order_of_locks_both_get_through(worker, new_worker, database, monkeypatch):
    asked = []

    async def noted(connection, schema, partitions):
        async with connection.cursor() as cursor:
            found = await lock_checkpoints(connection, schema, partitions)
            asked.append([one.partition for one in found])
            await cursor.execute("select pg_sleep(0.2)")
        return found

    monkeypatch.setattr(projector_module, "lock_checkpoints", noted)
    await _two_fetches_in_other_orders(worker, new_worker, monkeypatch)

    assert asked == [[0, 1], [0, 1]]
    assert database.next_offsets() == {0: 1, 1: 1, 2: 0}


async def test_without_awaiting_a_dead_letter_garbage_is_passed_that_no_one_has(worker, database, monkeypatch):
    async def refuse() -> None:
        raise Killed

    async def not_awaited(self, run):
        for record, reason in run.undecodable:
            letter = asyncio.create_task(self._dead_letter(record, reason))
            letter.add_done_callback(lambda done: done.exception())

    worker.before_letter = refuse
    monkeypatch.setattr(Projector, "_bury", not_awaited)
    await worker.projector.handle({0: [fetched(b"junk", 0)]})
    await asyncio.sleep(0)

    assert (worker.letters, database.next_offsets()[0]) == ([], 1)


async def test_with_awaiting_a_dead_letter_garbage_that_is_not_kept_is_not_passed(worker, database):
    async def refuse() -> None:
        raise Killed

    worker.before_letter = refuse
    with pytest.raises(Killed):
        await worker.projector.handle({0: [fetched(b"junk", 0)]})

    assert (worker.letters, database.next_offsets()[0]) == ([], 0)


async def _another_log(stand):
    """The log is replaced by another of the same length under read models that hold the first."""
    await stand.append(some_records(20))
    await stand.follow()
    await make_topics_anew(stand.settings)
    stand.log.next_places.clear()
    stand.log.command_offsets.clear()
    await stand.append(some_records(40))
    return make_worker(stand.settings, partitions=COUNT)


async def test_without_the_look_at_the_last_record_read_models_go_on_from_a_log_that_is_not_theirs(stand):
    worker = await _another_log(stand)
    opened = await worker.projector.assigned(frozenset(range(COUNT)))
    await worker.session.close()

    assert sum(opened.values()) == len(some_records(20)), "the first records of this log will never be applied"


async def test_with_the_look_at_the_last_record_read_models_wait_for_their_own_log(stand):
    worker = await _another_log(stand)
    worker.projector._log = KafkaWitness(lambda: new_piece_reader(stand.settings, "tests"))
    opened = await worker.projector.assigned(frozenset(range(COUNT)))
    await worker.session.close()

    assert sum(opened.values()) == 0
    assert "this log has" in str(worker.health.detail)


async def test_without_the_look_at_the_fold_version_two_releases_write_one_generation(worker, database, monkeypatch):
    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(projector_module, "_refusal", nothing)
    database.run(f"update projections.generations set fold_version = {FOLD_VERSION + 1}")
    await worker.projector.handle({0: fetched_run([created()])})

    assert _orders(database) == 1


async def test_with_the_look_at_the_fold_version_another_releases_generation_is_left_alone(worker, database):
    database.run(f"update projections.generations set fold_version = {FOLD_VERSION + 1}")
    await worker.projector.handle({0: fetched_run([created()])})

    assert _orders(database) == 0
    assert "rebuild" in str(worker.health.detail)
