"""The body of every agent: what is stale is dropped, and nothing leaves it but a cancellation that was asked for."""

import asyncio
from types import SimpleNamespace

import pytest

from infra.faust.fetches import Fetch, Progress
from infra.faust.watchdog import LastProgress
from infra.faust.worker import FetchWorker

SESSION_TIMEOUT_S = 6.0


class Ended(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def _end_by_exception(monkeypatch):
    def end(reason: str):
        raise Ended(reason)

    monkeypatch.setattr("infra.faust.worker.end_process", end)


class _Consumer:
    """What the worker asks of infra.faust.transport.Consumer."""

    def __init__(self):
        self.assignment_number, self.opened, self.done, self.closed, self.slept = 1, {}, {}, set(), None

    async def open(self, offsets):
        self.opened |= offsets

    def is_open(self, partition, opening):
        return partition in self.opened and opening == 7

    def close_partition(self, partition):
        self.closed.add(partition)

    def note_done(self, done):
        self.done |= done

    def slept_through_s(self, session_timeout_s):
        return self.slept


class _Handler:
    """Notes what it is given."""

    def __init__(self):
        self.assignments, self.handled, self.progress, self.failure = [], [], Progress(), None

    async def assigned(self, partitions):
        self.assignments.append(partitions)
        return dict.fromkeys(partitions, 40)

    async def handle(self, records):
        if self.failure is not None:
            raise self.failure
        self.handled.append(records)
        return self.progress


@pytest.fixture
def parts():
    consumer, handler = _Consumer(), _Handler()
    return (
        consumer,
        handler,
        FetchWorker(SimpleNamespace(consumer=consumer, last_progress=LastProgress()), handler, session_timeout_s=SESSION_TIMEOUT_S),
    )


def _fetch(number=1, records=None, openings=None):
    return Fetch(number, frozenset({0, 3}), {0: 7, 3: 7} if openings is None else openings, records or {})


async def test_a_new_assignment_is_taken_over_and_opened_where_the_handler_says(parts):
    consumer, handler, worker = parts

    await worker.take(_fetch())

    assert handler.assignments == [{0, 3}]
    assert consumer.opened == {0: 40, 3: 40}


async def test_fetches_of_opened_partitions_are_handled_and_their_progress_applied(parts):
    consumer, handler, worker = parts
    await worker.take(_fetch())
    handler.progress = Progress(done={0: 42}, reopen={3: 41}, closed=frozenset({0}))

    await worker.take(_fetch(records={0: ["a"], 3: ["b"]}))

    assert handler.handled == [{0: ["a"], 3: ["b"]}]
    assert (consumer.done, consumer.opened[3], consumer.closed) == ({0: 42}, 41, {0})


async def test_what_was_fetched_before_a_partition_was_reopened_is_stale(parts):
    _, handler, worker = parts
    await worker.take(_fetch())

    await worker.take(_fetch(records={0: ["a"], 3: ["b"]}, openings={0: 7, 3: 6}))

    assert handler.handled == [{0: ["a"]}]


async def test_a_fetch_of_an_assignment_that_is_over_is_dropped(parts):
    consumer, handler, worker = parts
    await worker.take(_fetch())
    consumer.assignment_number = 2

    await worker.take(_fetch(1, records={0: ["a"]}))
    await worker.take(_fetch(2))

    assert handler.handled == []
    assert len(handler.assignments) == 2


async def test_a_worker_that_was_expelled_ends_before_it_handles_anything(parts):
    """A woken process still believes that it owns its partitions."""
    consumer, handler, worker = parts
    await worker.take(_fetch())
    consumer.slept = SESSION_TIMEOUT_S + 0.1

    with pytest.raises(Ended, match="not confirmed"):
        await worker.take(_fetch(records={0: ["a"]}))
    assert handler.handled == []


async def test_an_exception_ends_the_process_instead_of_acknowledging(parts):
    """FAUST.md 1: an exception that leaves an agent acknowledges the event and loses it."""
    _, handler, worker = parts
    await worker.take(_fetch())
    handler.failure = ValueError("no")

    with pytest.raises(Ended, match="ValueError: no"):
        await worker.take(_fetch(records={0: ["a"]}))


async def test_a_cancellation_that_nobody_asked_for_ends_the_process(parts):
    _, handler, worker = parts
    await worker.take(_fetch())
    handler.failure = asyncio.CancelledError()

    with pytest.raises(Ended, match="nobody asked"):
        await worker.take(_fetch(records={0: ["a"]}))


async def test_a_worker_that_was_cancelled_half_way_begins_anew(parts):
    _, handler, worker = parts
    await worker.take(_fetch())
    waiting = asyncio.Event()

    async def hang(_records):
        waiting.set()
        await asyncio.sleep(60)

    handler.handle = hang
    taking = asyncio.create_task(worker.take(_fetch(records={0: ["a"]})))
    await waiting.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking

    await worker.take(_fetch())

    assert len(handler.assignments) == 2, "its state is in doubt"
