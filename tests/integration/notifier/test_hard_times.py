"""Clients that do not read, brokers that go away, logs that are replaced, a feed that is stopped."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.protocol import State

from infra.kafka.clients import new_admin
from notifier import admission
from notifier.metrics import SLOW_CLOSES
from tests.integration.notifier.conftest import FeedClient, RunningFeed, StartFeed, until
from tests.support.embedded import jar_folder
from tests.support.records import TestLog, create_topic, created, shipped
from tools.local_stack.embedded.kafka import EmbeddedKafka

LONG = "x" * 190


async def _stalled(feed: RunningFeed) -> Any:
    """A client that subscribes to everything and reads nothing more."""
    connection = await feed.stack.enter_async_context(connect(feed.url, compression=None, ping_interval=None, close_timeout=0.1))
    client = FeedClient(connection)
    await client.subscribe()
    connection.transport.pause_reading()
    return connection


async def _fill(feed: RunningFeed, healthy: FeedClient) -> int:
    """Append until the client that does not read is parked, while the other one reads all; how many that were."""
    sent = 0
    async with asyncio.timeout(60):
        while feed.server.subscriptions == 2:
            await feed.log.append(*[created(customer_id=LONG) for _ in range(500)])
            sent += 500
            await healthy.events_until(sent)
    assert [event["seq"] for event in healthy.events()] == list(range(1, sent + 1))
    return sent


async def test_a_client_that_does_not_read_is_parked_and_goes_on_when_it_does(feed: RunningFeed) -> None:
    stalled = await _stalled(feed)
    healthy = await feed.client()
    await healthy.subscribe()
    sent = await _fill(feed, healthy)
    await feed.log.append(*[created() for _ in range(1_000)])
    assert stalled.state is State.OPEN

    stalled.transport.resume_reading()
    back = FeedClient(stalled)
    events = await back.events_until(sent + 1_000)
    await feed.log.append(created())
    assert [event["seq"] for event in await back.events_until(sent + 1_001)] == list(range(1, sent + 1_002))
    assert {event["event"]["id"] for event in events} == {event["event"]["id"] for event in await healthy.events_until(sent + 1_000)}
    assert [frame["type"] for frame in back.frames].count("caught_up") <= 1


async def test_a_client_that_does_not_read_for_long_is_ended_with_its_position(feed: RunningFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE_S", 0.1)
    stalled = await _stalled(feed)
    healthy = await feed.client()
    await healthy.subscribe()
    before = SLOW_CLOSES._value.get()
    sent = await _fill(feed, healthy)
    await until(lambda: SLOW_CLOSES._value.get() > before)

    stalled.transport.resume_reading()
    ended = FeedClient(stalled)
    code, reason = await ended.closed()
    assert code == 4100
    again = await feed.client()
    await again.subscribe(orjson.loads(reason or "")["position"])
    await again.until("caught_up")
    assert len(ended.events()) + len(again.events()) == sent


@pytest.fixture
async def own_kafka(tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker that this test may kill."""
    kafka = EmbeddedKafka(tmp_path / "kafka", jar_folder=jar_folder())
    await asyncio.to_thread(kafka.start)
    yield kafka
    await asyncio.to_thread(kafka.stop)


async def test_the_feed_survives_the_broker_s_restart(own_kafka: EmbeddedKafka, start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(kafka=own_kafka.bootstrap_servers)
    client = await feed.client()
    await client.subscribe()
    orders = [created() for _ in range(20)]
    await feed.log.append(*orders)
    await client.events_until(20)

    await asyncio.to_thread(own_kafka.brokers[0].kill)
    await until(lambda: feed.health.detail is not None)
    assert "is Kafka running?" in str(feed.health.detail)
    late = await feed.client()
    await late.say(type="subscribe", start="earliest")

    await asyncio.to_thread(own_kafka.brokers[0].start)
    await feed.log.append(*[shipped(order.order_id) for order in orders])
    events = await client.events_until(40)
    assert [event["seq"] for event in events] == list(range(1, 41))
    assert [event["event"]["version"] for event in events] == [1] * 20 + [2] * 20
    assert len(await late.events_until(40)) == 40
    assert feed.health.detail is None


async def test_a_replaced_log_ends_every_subscription_with_a_reset(feed: RunningFeed) -> None:
    client = await feed.client()
    await client.subscribe("latest", "a")
    await client.subscribe("latest", "b")
    await feed.log.append(*[created() for _ in range(30)])
    await client.until("event", "a")

    admin = new_admin(feed.settings, "tests")
    await admin.start()
    await admin.delete_topics([feed.log.topic])
    await asyncio.sleep(1)
    await admin.close()
    await create_topic(feed.settings, feed.log.topic, partitions=3)

    async with asyncio.timeout(30):
        assert (await client.until("reset", "a"))["reason"] == "log_replaced"
        position = (await client.until("reset", "b"))["position"]
    new_log = TestLog(feed.settings, feed.log.topic, 3, feed.log.producer)
    record = created()
    await new_log.append(record)
    await client.subscribe(position)
    assert (await client.events_until(1))[0]["event"]["id"] == str(record.id)


async def test_stopping_tells_clients_to_come_back_and_waits_for_no_one(feed: RunningFeed) -> None:
    await _stalled(feed)
    client = await feed.client()
    await client.subscribe()
    reading = asyncio.create_task(client.closed())
    async with asyncio.timeout(20):  # a stalled client reads nothing for as long as the test lets it
        await feed.server.stop()
    code, reason = await reading
    assert code == 4200
    said = orjson.loads(reason or "")
    assert said["code"] == "going_away"
    assert 0 <= said["retry_after_ms"] <= 500


async def test_nothing_is_left_of_clients_that_went(feed: RunningFeed) -> None:
    await feed.log.append(*[created() for _ in range(100)])
    for number in range(20):
        client = await feed.client()
        await client.subscribe("earliest" if number % 2 else "latest")
        await client.connection.close()
    await until(lambda: feed.server.clients == 0)
    assert feed.server.subscriptions == 0
