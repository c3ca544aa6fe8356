"""Faust on a real broker: the settings that are in force, and the parts of it that are not on the path any more."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.channels import Channel
from faust.streams import Stream
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import ProducerBuffer
from faust.types.tuples import Message

from event_schemas.topics import AGGREGATE_GROUP
from infra.faust.app import FetchApp, hardened_app
from infra.faust.worker import FetchWorker
from infra.kafka.clients import connection, new_admin
from projections.live.agent import GROUP
from tests.integration.guards.bench import Ended
from tests.integration.guards.faust_worker import Notes, append_all, running, until
from tests.support.house import ROOT
from tests.support.records import create_topic
from tests.support.service_process import eventually

PARTS = {
    "counts acknowledgements to find what to commit (2)": (FaustConsumer, "_new_offset"),
    "buffers what is sent, and flushes it for 100 ms (3, 27)": (ProducerBuffer, "put"),
    "commits after a flush that never fails (4)": (FaustConsumer, "_commit_offsets"),
    "acknowledges a message that it can't decode, then crashes its agent (5)": (Channel, "on_value_decode_error"),
    "takes batches of messages (6)": (Stream, "take"),
    "takes batches of events (6)": (Stream, "take_events"),
    "iterates in Python (7)": (Stream, "_py_aiter"),
    "wraps messages to acknowledge them one by one (1, 2, 7)": (Message, "__init__"),
    "recovers a table from a changelog (14, 17, 18, 33)": (Recovery, "add_active"),
    "seeks to the committed offsets (23)": (FaustConsumer, "perform_seek"),
    "delivers message by message, in queues that a rebalance clears (32)": (FaustConsumer, "getmany"),
    "creates topics (20)": (driver.Producer, "create_topic"),
}
_USED_AS_SHIPPED = {
    "counts acknowledgements to find what to commit (2)",
    "acknowledges a message that it can't decode, then crashes its agent (5)",
    "wraps messages to acknowledge them one by one (1, 2, 7)",
    "seeks to the committed offsets (23)",
    "delivers message by message, in queues that a rebalance clears (32)",
    "commits after a flush that never fails (4)",
}
"""Those that an app with one agent and no table uses as shipped: the watch sees them. The others need a table or a call."""


@dataclass
class Run:
    """A worker that ran through a rebalance, and what it used of Faust."""

    app: FetchApp
    notes: Notes
    used: Counter[str]


@pytest.fixture(scope="module")
def watched() -> Any:
    """Counts the uses of Faust's parts."""
    used: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for name, (owner, attribute) in PARTS.items():
            original = getattr(owner, attribute)

            def noted(*arguments: Any, _name: str = name, _original: Any = original, **named: Any) -> Any:
                used[_name] += 1
                return _original(*arguments, **named)

            patch.setattr(owner, attribute, noted)
        yield used


@pytest.fixture(scope="module")
async def ran(shared_settings, watched) -> AsyncIterator[Run]:
    """Two workers of one group on a topic with a message that no codec reads; then one of them leaves."""
    topic, group, notes = f"guards-{uuid4().hex[:8]}", f"guards-{uuid4().hex[:8]}", Notes()
    await create_topic(shared_settings, topic, partitions=2)
    watched.clear()
    async with running(shared_settings, topic, notes, group=group) as app:
        await append_all(shared_settings, topic, [b"one", b"\xff no text", b"three"])
        await until(lambda: len(notes.seen) == 3)
        async with running(shared_settings, topic, Notes(), group=group):
            await until(lambda: any(len(partitions) == 1 for partitions in notes.assignments))
        await until(lambda: len(notes.assignments[-1]) == 2)
        yield Run(app, notes, Counter(watched))


@pytest.mark.parametrize("part", PARTS)
def test_the_path_does_not_use_the_part_of_faust_that(ran, part):
    assert ran.used[part] == 0


def test_bytes_that_no_codec_reads_are_delivered_as_they_stand(ran):
    """FAUST.md 5: Faust acknowledges them, then the agent crashes."""
    assert ran.notes.seen[:3] == [b"one", b"\xff no text", b"three"]


async def test_without_our_transport_faust_uses_them(shared_settings, watched):
    """Else the watch would see nothing because it can't."""
    topic, seen = f"guards-{uuid4().hex[:8]}", Counter[str]()
    await create_topic(shared_settings, topic)
    server = str(shared_settings.kafka_bootstrap_servers)
    app = faust.App(
        f"guards-{uuid4().hex[:8]}",
        broker=f"aiokafka://{server}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        loghandlers=[],
        broker_commit_interval=0.1,
    )

    @app.agent(app.topic(topic, value_serializer="json"))
    async def work(stream: AsyncIterator[str]) -> None:
        async for value in stream:
            seen[value] += 1

    async def used() -> bool:
        return seen.total() > 0 and watched.keys() >= _USED_AS_SHIPPED

    watched.clear()
    await app.start()
    try:
        await append_all(shared_settings, topic, [b'"one"', b"\xff no text"])
        await eventually(used, 10, lambda: f"not seen: {_USED_AS_SHIPPED - watched.keys()}")
    finally:
        await asyncio.wait_for(app.stop(), 10)


def _coordinator(app: FetchApp) -> Any:
    return app.consumer._thread._consumer._coordinator  # type: ignore[attr-defined]


def test_sessions_are_short_and_produce_waits_30_s_in_the_running_worker_and_were_long_without(ran):
    """FAUST.md 24."""
    coordinator, producer, shipped = _coordinator(ran.app), ran.app.kafka_producer(), faust.App("shipped").conf

    assert (coordinator._session_timeout_ms, coordinator._heartbeat_interval_ms) == (6000, 1500)
    assert producer._request_timeout_ms == 30_000
    assert ran.app.conf.broker_commit_interval == 0.5
    assert (shipped.broker_session_timeout, shipped.producer_request_timeout) == (60.0, 1200.0)


def test_the_running_producer_is_idempotent_and_waits_for_all_replicas_and_faust_would_not(ran):
    """FAUST.md 26."""
    producer = ran.app.kafka_producer()

    assert (producer._sender._acks, producer._txn_manager is not None) == (-1, True)
    assert "enable_idempotence" not in driver.Producer._settings_extra(ran.app.producer)


def test_nothing_is_written_in_a_transaction_and_reading_starts_at_the_beginning(ran):
    """FAUST.md 17: one marker at a changelog's tail hangs a recovery."""
    assert ran.app.kafka_producer()._txn_manager.transactional_id is None
    assert (ran.app.in_transaction, ran.app.conf.consumer_auto_offset_reset) == (False, "earliest")


def test_no_table_is_registered_so_there_is_one_assignor_and_no_changelog_and_else_there_were(ran):
    """FAUST.md 31, 35."""
    assert (dict(ran.app.tables), ran.app.tables.changelog_topics) == ({}, set())
    assert [one.name for one in _coordinator(ran.app)._assignors] == [RoundRobinPartitionAssignor.name]

    shipped = faust.App("shipped", broker="kafka://nowhere", store="memory://")
    shipped.Table("any")
    assert shipped.tables.changelog_topics == {"shipped-any-changelog"}
    assert shipped.assignor.name != RoundRobinPartitionAssignor.name


def test_the_aggregate_and_the_projections_are_groups_of_their_own():
    """FAUST.md 19."""
    assert AGGREGATE_GROUP != GROUP


def test_the_version_is_the_one_that_the_guards_are_written_against():
    """FAUST.md 30."""
    assert version("faust-streaming") == "0.15.3"
    assert '"faust-streaming==0.15.3"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.mark.parametrize("enabled", [True, False], ids=["without_the_guard_anyone_can_connect", "with_the_guard_nobody_can"])
async def test_fausts_web_server(shared_settings, monkeypatch, enabled):
    """FAUST.md 29."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    topic = f"guards-{uuid4().hex[:8]}"
    await create_topic(shared_settings, topic)

    def on_that_port(*arguments: Any, **named: Any) -> FetchApp:
        return FetchApp(*arguments, **(named | {"web_port": port} | ({"web_enabled": True} if enabled else {})))

    monkeypatch.setattr("infra.faust.app.FetchApp", on_that_port)
    async with running(shared_settings, topic, Notes(), group=topic) as app:
        assert app.conf.web_bind == "0.0.0.0"  # every address
        assert await _answers(port) == enabled


@pytest.mark.parametrize("named", [True, False], ids=["with_it_a_worker_that_stopped_stays_a_member", "without_it_a_worker_leaves_at_once"])
async def test_group_instance_id(shared_settings, named):
    """FAUST.md 34: a member that stays keeps its partitions from the others until its session ends."""
    group, topic = f"guards-{uuid4().hex[:8]}", f"guards-{uuid4().hex[:8]}"
    await create_topic(shared_settings, topic)
    more = {"group_instance_id": "me"} if named else {}
    consumer = AIOKafkaConsumer(topic, group_id=group, **more, **connection(shared_settings))
    await consumer.start()
    await consumer.stop()

    assert await _members(shared_settings, group) == (1 if named else 0)


def test_the_running_worker_has_no_group_instance_id(ran):
    assert _coordinator(ran.app)._group_instance_id is None


async def _members(settings, group: str) -> int:
    admin = new_admin(settings, "guards")
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
        return len(answer.groups[0][5])
    finally:
        await admin.close()


def test_without_the_compiled_iterator_no_app_is_made(shared_settings, monkeypatch):
    """FAUST.md 7: the one in Python acknowledges what it skips."""
    monkeypatch.setattr("faust.streams._CStreamIterator", None)
    with pytest.raises(RuntimeError, match="compiled stream iterator"):
        hardened_app(shared_settings, app_id="a", topic="t")


async def _the_first_fetch_fails(settings) -> Notes:
    topic, notes = f"guards-{uuid4().hex[:8]}", Notes(fails_once=ValueError("unexpected"))
    await create_topic(settings, topic)
    await append_all(settings, topic, [b"one"])
    async with running(settings, topic, notes, group=topic):
        await until(lambda: notes.fails_once is None)
        await append_all(settings, topic, [b"two"])
        await until(lambda: notes.seen != [] or len(notes.assignments) > 1)
    return notes


async def test_without_ending_the_process_an_exception_in_the_agent_loses_its_fetch(shared_settings, monkeypatch):
    """FAUST.md 1. Nets off: `next`, which would read again; a fetch that failed is not begun anew."""

    async def take(self, fetch):
        self._assignment = fetch.generation if self._handler.assignments else None
        await self._take(fetch)

    monkeypatch.setattr(FetchWorker, "take", take)
    notes = await _the_first_fetch_fails(shared_settings)

    assert notes.seen == [b"two"], "the first is gone, and the agent works on"


async def test_with_ending_the_process_nothing_is_taken_after_a_fetch_that_failed(shared_settings, monkeypatch):
    ended, over = asyncio.Event(), asyncio.Event()

    async def take(self, fetch):
        if ended.is_set():
            await over.wait()  # the process is gone
        await original(self, fetch)

    def end(reason):
        ended.set()
        raise Ended(reason)

    original = FetchWorker.take
    monkeypatch.setattr(FetchWorker, "take", take)
    monkeypatch.setattr("infra.faust.worker.end_process", end)
    topic, notes = f"guards-{uuid4().hex[:8]}", Notes(fails_once=ValueError("unexpected"))
    await create_topic(shared_settings, topic)
    await append_all(shared_settings, topic, [b"one", b"two"])
    async with running(shared_settings, topic, notes, group=topic):
        await until(ended.is_set)
        assert notes.seen == []


async def _the_coordinator_is_away(settings, monkeypatch) -> tuple[list[bytes | None], int]:
    """The group does not answer for longer than the look allows, while its members' sessions last and the process runs.

    Returns what was worked off, and how often the process would have ended.
    """
    topic, notes, reasons = f"guards-{uuid4().hex[:8]}", Notes(), Counter[str]()

    def end(reason):
        reasons[reason] += 1
        raise Ended(reason)

    async def away() -> bool:
        return False

    monkeypatch.setattr("infra.faust.worker.end_process", end)
    await create_topic(settings, topic)
    lasting = settings.model_copy(update={"session_timeout_s": 15.0})
    async with running(lasting, topic, notes, group=topic, looks_beyond_s=2.0) as app:
        await append_all(settings, topic, [b"before"])
        await until(lambda: notes.seen == [b"before"])
        monkeypatch.setattr(_coordinator(app), "_do_heartbeat", away)
        membership = app.consumer._thread.membership
        await until(lambda: membership._clock() - membership._confirmed_at > 2.5)
        await append_all(settings, topic, [b"meanwhile"])
        await until(lambda: len(notes.seen) == 2 or reasons.total() > 0)
        return notes.seen, reasons.total()


async def test_without_the_look_at_standing_still_a_worker_ends_because_its_coordinator_is_away(shared_settings, monkeypatch):
    def unconfirmed(self, session_timeout_s):
        age = self._clock() - self._confirmed_at
        return age if age > session_timeout_s else None

    monkeypatch.setattr("infra.faust.group_membership.Membership.slept_through_s", unconfirmed)
    seen, ends = await _the_coordinator_is_away(shared_settings, monkeypatch)

    assert seen == [b"before"]
    assert ends > 0


async def test_with_the_look_at_standing_still_a_worker_goes_on_while_its_coordinator_is_away(shared_settings, monkeypatch):
    # On a busy machine a process may well stand still for two seconds; frozen it is only after more.
    monkeypatch.setattr("infra.faust.group_membership.STOOD_STILL_S", 60.0)

    assert await _the_coordinator_is_away(shared_settings, monkeypatch) == ([b"before", b"meanwhile"], 0)
