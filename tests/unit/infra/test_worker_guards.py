"""The guards around a worker's own part, each taken out, and its twin with the guard.

What reaches the handler of an agent is decided before `next` and `place` look at it: those nets are off, the handler takes all.
"""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from event_schemas.topics import COMMANDS, EVENTS, TOPICS
from infra.faust import app as faust_app
from infra.faust.transport import Consumer
from infra.faust.watchdog import LastProgress
from infra.faust.worker import FetchWorker
from infra.kafka import topic_guard
from infra.kafka.topic_guard import FoundTopic, wait_for_topics
from infra.process import exits
from infra.process.health import Health
from infra.process.settings import Settings
from tests.unit.infra.test_fetch_worker import SESSION_TIMEOUT_S, Ended, _Consumer, _fetch, _Handler


@pytest.fixture
def parts(monkeypatch):
    def end(reason: str):
        raise Ended(reason)

    for module in ("infra.faust.worker", "infra.faust.app"):
        monkeypatch.setattr(f"{module}.end_process", end)
    consumer, handler = _Consumer(), _Handler()
    return (
        consumer,
        handler,
        FetchWorker(SimpleNamespace(consumer=consumer, last_progress=LastProgress()), handler, session_timeout_s=SESSION_TIMEOUT_S),
    )


# The last heartbeat


async def _a_woken_worker_is_handed_commands(parts):
    consumer, handler, worker = parts
    await worker.take(_fetch())
    consumer.slept = 8.5
    try:
        await worker.take(_fetch(records={0: ["a command that is another worker's now"]}))
    except Ended:
        return "ended", handler.handled
    return "went on", handler.handled


async def test_without_the_look_at_the_last_heartbeat_a_woken_worker_decides_what_is_no_longer_its_own(parts, monkeypatch):
    monkeypatch.setattr(FetchWorker, "_end_if_expelled", lambda *_: None)

    assert await _a_woken_worker_is_handed_commands(parts) == ("went on", [{0: ["a command that is another worker's now"]}])


async def test_with_the_look_at_the_last_heartbeat_a_woken_worker_ends_first(parts):
    assert await _a_woken_worker_is_handed_commands(parts) == ("ended", [])


# Fetches of an earlier assignment or opening


async def _what_was_fetched_before_comes_late(parts):
    consumer, handler, worker = parts
    await worker.take(_fetch())
    await worker.take(_fetch(records={0: ["fetched before a rebalance"]}, openings={0: 6}))
    consumer.assignment_number = 2
    await worker.take(_fetch(1, records={0: ["of an assignment that is over"]}))
    return [record for records in handler.handled for run in records.values() for record in run]


async def test_without_the_look_at_openings_what_was_queued_at_a_rebalance_is_worked_off_after_it(parts, monkeypatch):
    async def take_all(self, fetch):
        await self._handler.handle(fetch.records)

    monkeypatch.setattr(FetchWorker, "_take", take_all)

    assert len(await _what_was_fetched_before_comes_late(parts)) == 2


async def test_with_the_look_at_openings_what_is_stale_is_dropped(parts):
    assert await _what_was_fetched_before_comes_late(parts) == []


# A stray cancellation, and one that was asked for


async def _a_cancellation_that_nobody_asked_for(parts):
    _, handler, worker = parts
    await worker.take(_fetch())
    handler.failure = asyncio.CancelledError()
    agent = asyncio.create_task(worker.take(_fetch(records={0: ["a"]})))
    await asyncio.wait({agent})
    return agent


async def test_without_the_look_at_cancellations_a_stray_one_ends_the_agent_in_silence(parts, monkeypatch):
    monkeypatch.setattr(FetchWorker, "take", FetchWorker._take)
    agent = await _a_cancellation_that_nobody_asked_for(parts)

    assert agent.cancelled(), "as if someone had stopped it: the app runs on, and nothing is decided any more"


async def test_with_the_look_at_cancellations_a_stray_one_ends_the_process(parts):
    agent = await _a_cancellation_that_nobody_asked_for(parts)

    assert isinstance(agent.exception(), Ended)


# A crashed app (FAUST.md 25)


async def _faust_crashes(parts):
    app = SimpleNamespace(crashed=True, should_stop=False, crash_reason=RuntimeError("lost"), start=_nothing)
    running = asyncio.create_task(faust_app._end_on_crash(app))
    await asyncio.wait({running}, timeout=0.5)
    ended = running.done() and isinstance(running.exception(), Ended)
    running.cancel()
    return ended


async def _nothing(*_):
    pass


async def test_without_the_watch_a_crashed_app_stays_around_alive_and_idle(parts, monkeypatch):
    monkeypatch.setattr(faust_app, "_end_on_crash", lambda _app: asyncio.Event().wait())

    assert not await _faust_crashes(parts)


async def test_with_the_watch_a_crashed_app_ends_its_process(parts):
    assert await _faust_crashes(parts)


# How a process ends


def test_without_os_exit_the_end_of_a_process_is_an_exception_that_faust_takes_for_done(monkeypatch):
    """`sys.exit` unwinds the stream, which acknowledges what it was about to lose (FAUST.md 1)."""
    unwound, exited = [], []
    monkeypatch.setattr("os._exit", exited.append)
    try:
        raise SystemExit(70)  # what the end would be without it
    except BaseException as error:  # noqa: BLE001 - as Faust's iterator does in its `finally`
        unwound.append(error)
    exits.end_process("with it")

    assert (len(unwound), exited) == (1, [exits.GUARD_EXIT])


# Committed offsets (FAUST.md 2)


class _Thread:
    def __init__(self):
        self.committed = []

    commit_quietly = "commit"

    async def call_thread(self, _call, offsets):
        self.committed.append({tp.partition: offset for tp, offset in offsets.items()})
        return True


def _consumer() -> Consumer:
    consumer = object.__new__(Consumer)
    consumer.app = SimpleNamespace(source_topic="t")
    consumer._thread, consumer._done, consumer._committed, consumer.assignment_number = _Thread(), {}, {}, 1
    return consumer


async def test_what_is_committed_is_what_the_handler_said_is_done_and_nothing_faust_has_counted():
    """Faust's own count jumps over what is not acknowledged; it is not asked."""
    consumer = _consumer()
    consumer._acked = {("t", 0): [2586, 2587, 2588, 2589]}
    consumer.note_done({0: 2585})

    assert await consumer.force_commit()
    assert not await consumer.force_commit(), "nothing new"
    assert consumer._thread.committed == [{0: 2585}]


# Topics as they must be (FAUST.md 20)

_GOOD = {topic.name: FoundTopic(partitions=4, replication=1, settings=dict(topic.settings)) for topic in TOPICS}
_BAD = {
    "fewer partitions of the log": _GOOD | {EVENTS: replace(_GOOD[EVENTS], partitions=3)},
    "a log that expires": _GOOD | {EVENTS: replace(_GOOD[EVENTS], settings=_GOOD[EVENTS].settings | {"retention.ms": "604800000"})},
    "commands that expire": _GOOD | {COMMANDS: replace(_GOOD[COMMANDS], settings=_GOOD[COMMANDS].settings | {"retention.ms": "1000"})},
    "a log that is compacted": _GOOD | {EVENTS: replace(_GOOD[EVENTS], settings=_GOOD[EVENTS].settings | {"cleanup.policy": "compact"})},
    "a log that takes no record of a large command": _GOOD
    | {EVENTS: replace(_GOOD[EVENTS], settings=_GOOD[EVENTS].settings | {"max.message.bytes": "1048588"})},
    "too few replicas": _GOOD | {EVENTS: replace(_GOOD[EVENTS], replication=0)},
}


async def _starts_on(topics, monkeypatch) -> bool:
    async def found(_settings):
        return topics

    monkeypatch.setattr(topic_guard, "find_topics", found)
    waiting = asyncio.create_task(wait_for_topics(Settings(ORDERS_REPLICATION=1), Health("tests")))
    await asyncio.wait({waiting}, timeout=0.05)
    started = waiting.done() and waiting.result() == 4
    waiting.cancel()
    return started


@pytest.mark.parametrize("wrong", _BAD)
async def test_without_the_topic_guard_a_service_starts_on_topics_that_lose_records(monkeypatch, wrong):
    monkeypatch.setattr(topic_guard, "problems_of", lambda *_: [])

    assert await _starts_on(_BAD[wrong], monkeypatch)


@pytest.mark.parametrize("wrong", _BAD)
async def test_with_the_topic_guard_a_service_waits(monkeypatch, wrong):
    assert not await _starts_on(_BAD[wrong], monkeypatch)
    assert await _starts_on(_GOOD, monkeypatch)
