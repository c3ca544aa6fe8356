"""The feed's protocol on a real broker: who subscribes gets each record that matches, in order, once."""

from itertools import groupby
from typing import Any
from uuid import uuid4

import orjson

from tests.integration.notifier.conftest import FeedClient, RunningFeed, StartFeed
from tests.support.records import cancelled, created, rejected, shipped


def ids(frames: list[dict[str, Any]]) -> list[str]:
    """The records that came."""
    return [frame["event"]["id"] for frame in frames]


async def test_latest_shows_what_comes_after(feed: RunningFeed) -> None:
    await feed.log.append(created())
    assert await feed.tail.wait_until(dict(feed.log.next_places), 5)
    client = await feed.client()

    await client.subscribe()
    assert (await client.next())["type"] == "caught_up"
    record = created(customer_id="zoë")
    await feed.log.append(record)

    event = await client.next()
    assert event["type"] == "event"
    assert event["seq"] == 1
    assert orjson.dumps(event["event"]) == orjson.dumps(orjson.loads(record.encoded()))
    assert event["position"].startswith("e.")


async def test_earliest_replays_the_log_then_goes_on_live(feed: RunningFeed) -> None:
    orders = [created() for _ in range(50)]
    await feed.log.append(*orders, *[shipped(order.order_id) for order in orders])
    client = await feed.client()

    await client.subscribe("earliest")
    await client.until("caught_up")
    later = created()
    await feed.log.append(later)
    events = await client.events_until(101)

    assert sorted(ids(events)) == sorted(str(record_id) for record_id in {*ids(events)})
    assert events[-1]["event"]["id"] == str(later.id)
    assert [event["seq"] for event in events] == list(range(1, 102))
    for order in orders:
        assert [event["event"]["version"] for event in events if event["event"]["order_id"] == str(order.order_id)] == [1, 2]


async def test_each_position_leads_to_exactly_the_rest(feed: RunningFeed) -> None:
    orders = [created() for _ in range(10)]
    await feed.log.append(*orders, *[shipped(order.order_id) for order in orders])
    first = await feed.client()
    await first.subscribe("earliest")
    events = await first.events_until(20)

    for index in (0, 7, 19):
        again = await feed.client()
        await again.subscribe(events[index]["position"])
        await again.until("caught_up")
        assert sorted(ids(again.events())) == sorted(ids(events[index + 1 :]))


async def test_records_that_do_not_count_are_never_sent(feed: RunningFeed) -> None:
    client = await feed.client()
    await client.subscribe("earliest")

    order = created()
    await feed.log.append_void(created())
    await feed.log.append_bytes(0, b"\x00junk")
    await feed.log.append_bytes(1, None)
    await feed.log.append(order)

    assert ids(await client.events_until(1)) == [str(order.id)]
    replay = await feed.client()
    await replay.subscribe("earliest")
    await replay.until("caught_up")
    assert ids(replay.events()) == [str(order.id)]


async def test_filters_by_order_by_customer_and_by_both(feed: RunningFeed) -> None:
    ada, bob = created(customer_id="ada"), created(customer_id="bob")
    refusal = rejected(ada.order_id, version=1, customer_id="ada")
    unknown = rejected(uuid4())
    await feed.log.append(ada, bob, refusal, unknown)
    assert await feed.tail.wait_until(dict(feed.log.next_places), 5)  # else some would come after caught_up
    wanted: list[tuple[dict[str, Any], list[Any]]] = [
        ({"order_id": ada.order_id}, [ada, refusal]),
        ({"customer_id": "bob"}, [bob]),
        ({"order_id": ada.order_id, "customer_id": "bob"}, []),
        ({}, [ada, bob, refusal, unknown]),
    ]

    for wanted_filter, records in wanted:
        client = await feed.client()
        await client.subscribe("earliest", **wanted_filter)
        await client.until("caught_up")
        assert sorted(ids(client.events())) == sorted(str(record.id) for record in records), wanted_filter

    live = await feed.client()
    await live.subscribe("latest", "ada's", customer_id="ada")
    await live.subscribe("latest", "the order", order_id=bob.order_id)
    done = cancelled(bob.order_id, customer_id="bob")
    await feed.log.append(created(customer_id="eve"), shipped(ada.order_id), done)
    assert (await live.until("event", "the order"))["event"]["id"] == str(done.id)


async def test_several_subscriptions_count_and_end_on_their_own(feed: RunningFeed) -> None:
    client = await feed.client()
    await client.subscribe("earliest", "all")
    await client.subscribe("latest", "ada", customer_id="ada")
    await client.subscribe("latest")

    await feed.log.append(created(customer_id="ada"), created(customer_id="bob"))
    while len(client.events("all")) < 2 or len(client.events()) < 2 or not client.events("ada"):
        await client.next()
    assert [event["seq"] for event in client.events("all")] == [1, 2]
    assert [event["seq"] for event in client.events("ada")] == [1]

    await client.say(type="unsubscribe", id="all")
    await client.until("unsubscribed", "all")
    await feed.log.append(created(customer_id="ada"))
    await client.until("event", "ada")
    assert len(client.events("all")) == 2


async def test_heartbeats_tell_the_position_also_when_nothing_matches(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(heartbeat_s=0.1)
    client = await feed.client()
    await client.subscribe("latest", "quiet", customer_id="nobody")
    before = (await client.until("heartbeat", "quiet"))["position"]

    appended = await feed.log.append(created())
    await feed.tail.wait_until({appended[0].partition: 1}, 5)
    after = await client.until("heartbeat", "quiet")
    while after["position"] == before:
        after = await client.until("heartbeat", "quiet")

    again = await feed.client()
    await again.subscribe(after["position"])
    await again.until("caught_up")
    assert again.events() == []


async def test_versions_come_in_order_while_the_log_grows_during_the_replay(feed: RunningFeed) -> None:
    orders = [created() for _ in range(300)]
    await feed.log.append(*orders)
    client = await feed.client()
    await client.say(type="subscribe", start="earliest")
    for begin in range(0, 300, 50):
        await feed.log.append(*[shipped(order.order_id) for order in orders[begin : begin + 50]])

    events = await client.events_until(600)
    by_order = sorted(events, key=lambda event: str(event["event"]["order_id"]))
    for _, of_one in groupby(by_order, key=lambda event: str(event["event"]["order_id"])):
        assert [event["event"]["version"] for event in of_one] == [1, 2]
    assert [frame["type"] for frame in client.frames].count("caught_up") <= 1


async def test_a_client_without_the_subprotocol_is_served_too(feed: RunningFeed) -> None:
    client: FeedClient = await feed.client(subprotocols=None)
    await client.subscribe()
    assert client.connection.subprotocol is None
