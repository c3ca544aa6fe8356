"""What the feed refuses, in words that say what would be right."""

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from event_schemas.positions import LogIdentity, Position
from tests.integration.notifier.conftest import RunningFeed, StartFeed
from tests.support.records import TestLog, created


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("{", "malformed_json", "JSON"),
        ("[]", "malformed_json", "object"),
        (b"{}", "malformed_json", "text"),
        ("{}", "unknown_type", "type"),
        ('{"type":"hello"}', "unknown_type", "type"),
        ('{"type":"subscribe","from":"yesterday"}', "validation_failed", "from"),
        ('{"type":"subscribe","from":"c.AAA"}', "validation_failed", "from"),
        ('{"type":"subscribe","from":5}', "validation_failed", "from"),
        ('{"type":"subscribe","filter":{"order_id":"1"}}', "validation_failed", "filter.order_id"),
        ('{"type":"subscribe","filter":{"customer_id":""}}', "validation_failed", "filter.customer_id"),
        ('{"type":"subscribe","filter":{"sku":"tea"}}', "validation_failed", "filter.sku"),
        ('{"type":"subscribe","form":"latest"}', "validation_failed", "form"),
        ('{"type":"subscribe","id":7}', "validation_failed", "id"),
        ('{"type":"unsubscribe","id":"none"}', "subscription_unknown", "id"),
    ],
)
async def test_bad_frames_are_answered_and_the_connection_goes_on(feed: RunningFeed, text: Any, code: str, named: str) -> None:
    client = await feed.client()
    await client.connection.send(text)
    error = await client.next()
    assert (error["type"], error["code"]) == ("error", code)
    assert named in error["detail"]
    await client.subscribe()


async def test_an_id_is_used_once_at_a_time_and_there_is_a_limit(feed: RunningFeed) -> None:
    client = await feed.client()
    await client.subscribe("latest", "a")
    await client.say(type="subscribe", id="a", start="latest")
    assert (await client.until("error", "a"))["code"] == "subscription_exists"
    for number in range(99):
        await client.subscribe("latest", str(number))
    await client.say(type="subscribe", id="more", start="latest")
    assert (await client.until("error", "more"))["code"] == "too_many_subscriptions"


async def test_positions_of_another_log_and_beyond_the_end_are_reset(feed: RunningFeed) -> None:
    appended = await feed.log.append(created())
    partition = appended[0].partition
    await feed.tail.wait_until({partition: 1}, 5)
    identity = feed.tail.identity
    other = LogIdentity(3, {partition: b"another record"})
    client = await feed.client()

    for position, reason in [
        (Position.of(other, {partition: 1}), "other_log"),
        (Position.of(LogIdentity(4), {0: 0}), "other_log"),
        (Position.of(identity, {partition: 1000}), "beyond_the_end"),
    ]:
        await client.say(type="subscribe", start=position.token())
        reset = await client.until("reset")
        assert reset["reason"] == reason
        again = await feed.client()
        await again.subscribe(reset["position"])
        await again.until("caught_up")
        assert len(again.events()) == 1


async def test_a_position_just_ahead_of_this_instance_is_waited_for(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(partitions=1)
    first, second = created(), created()
    await feed.log.append(first, second)
    await feed.tail.wait_until({0: 2}, 5)
    ahead = Position.of(feed.tail.identity, {0: 3}).token()
    client = await feed.client()

    await feed.log.append(created())
    await client.say(type="subscribe", start=ahead)
    assert (await client.next())["type"] == "subscribed"


async def test_a_silent_client_is_ended(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(first_frame_s=0.1)
    client = await feed.client()
    assert (await client.closed())[0] == 4001


async def test_a_client_of_bad_frames_and_one_of_large_frames_are_ended(feed: RunningFeed) -> None:
    client = await feed.client()
    for _ in range(20):
        await client.connection.send("?")
    assert (await client.closed())[0] == 4000
    client = await feed.client()
    await client.connection.send("x" * 70_000)
    assert (await client.closed())[0] == 1009


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"subprotocols": ["chat"]}, 400),
        ({"origin": "https://elsewhere.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
async def test_handshakes_that_are_refused(feed: RunningFeed, arguments: dict[str, Any], status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await feed.client(**arguments)
    assert refused.value.response.status_code == status


async def test_pages_of_loopback_and_of_the_list_may_open_the_feed(start_feed: StartFeed, feed: RunningFeed) -> None:
    await (await feed.client(origin="http://localhost:3000")).subscribe()
    listed: RunningFeed = await start_feed(ORDERS_FEED_ORIGINS="https://shop.example, https://other.example")
    await (await listed.client(origin="https://shop.example")).subscribe()
    with pytest.raises(InvalidStatus):
        await listed.client(origin="http://localhost:3000")


async def test_other_paths_are_not_the_feed(feed: RunningFeed) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await feed.client(uri=feed.url.replace("/feed", "/elsewhere"))
    assert refused.value.response.status_code == 404


async def _append_later_release(log: TestLog) -> None:
    order = created()
    later = order.encoded().replace(b'"schema_version":2', b'"schema_version":99')
    await log.append_bytes(log.partition_of(order), later, str(order.order_id).encode(), [("place", b"0"), ("command_offset", b"0")])


async def test_a_later_release_s_record_stops_its_partition_with_a_message(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(partitions=1)
    client = await feed.client()
    await client.subscribe()
    await _append_later_release(feed.log)
    await feed.log.append(created())

    assert not await feed.tail.wait_until({0: 1}, 0.5)
    assert client.events() == []
    assert "deploy the later release" in (feed.health.detail or "")


async def test_a_later_release_s_record_ends_a_replay_with_a_message(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(partitions=1)
    await _append_later_release(feed.log)
    restarted: RunningFeed = await start_feed(log=feed.log)
    client = await restarted.client()
    await client.subscribe("earliest")
    assert (await client.until("error"))["code"] == "newer_schema"
