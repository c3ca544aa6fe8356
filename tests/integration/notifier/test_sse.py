"""The feed's second transport: what a stream shows, what it refuses, and that nothing is lost between the two."""

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import aiohttp
import pytest

from event_schemas.events import Record
from tests.integration.notifier.conftest import RunningFeed, StartFeed, until
from tests.integration.notifier.sse_kit import SseReader, SseSite
from tests.support.records import TestLog, created, rejected, shipped

LONG = "x" * 190


@pytest.fixture
async def site(feed: RunningFeed) -> AsyncIterator[SseSite]:
    """Streams of the feed's log."""
    async with SseSite(feed) as opened:
        yield opened


def ids(records: list[dict[str, Any]]) -> list[str]:
    """Which records."""
    return [record["id"] for record in records]


async def test_it_replays_the_log_then_goes_on_live_with_a_position_on_every_event(feed: RunningFeed, site: SseSite) -> None:
    orders = [created() for _ in range(30)]
    await feed.log.append(*orders)
    assert await feed.tail.wait_until(dict(feed.log.next_places), 5)
    stream = await site.follow(start="earliest")
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    assert stream.response.headers["Cache-Control"] == "no-store"
    await stream.until("caught_up")
    later = shipped(orders[0].order_id)
    await feed.log.append(later)
    await stream.until("event")

    assert [event.name for event in stream.events] == ["subscribed", *["event"] * 30, "caught_up", "event"]
    assert sorted(ids(stream.records())) == sorted(str(record.id) for record in (*orders, later))
    assert [event.position for event in stream.events] == [event.data["position"] for event in stream.events]
    assert [event.data["seq"] for event in stream.events if event.name == "event"] == list(range(1, 32))
    assert 1_000 <= stream.retries[0] <= 5_000


async def test_last_event_id_goes_before_from_and_leads_to_exactly_the_rest(feed: RunningFeed, site: SseSite) -> None:
    await feed.log.append(*[created() for _ in range(20)])
    first = await site.follow(start="earliest")
    records = await first.records_until(20)
    for index in (0, 7, 18):
        position = [event.position for event in first.events if event.name == "event"][index]
        again = await site.follow({"Last-Event-ID": str(position)}, start="latest")
        assert sorted(ids(await again.records_until(19 - index))) == sorted(ids(records[index + 1 :]))


async def test_filters(feed: RunningFeed, site: SseSite) -> None:
    ada, bob = created(customer_id="ada"), created(customer_id="bob")
    refusal, sent = rejected(ada.order_id, version=1, customer_id="ada"), shipped(bob.order_id, customer_id="bob")
    await feed.log.append(ada, bob, refusal, sent)
    assert await feed.tail.wait_until(dict(feed.log.next_places), 5)
    wanted: list[tuple[dict[str, Any], list[Record]]] = [
        ({"customer_id": "ada"}, [ada, refusal]),
        ({"order_id": bob.order_id}, [bob, sent]),
        ({"types": "OrderShipped,CommandRejected"}, [refusal, sent]),
    ]
    for parameters, records in wanted:
        stream = await site.follow(start="earliest", **parameters)
        await stream.until("caught_up")
        assert sorted(ids(stream.records())) == sorted(str(record.id) for record in records), parameters


async def test_heartbeats_move_the_position_also_when_nothing_matches(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(heartbeat_s=0.1)
    async with SseSite(feed) as site:
        stream = await site.follow(customer_id="nobody")
        before = (await stream.until("heartbeat")).position
        await feed.log.append(created())
        while (after := (await stream.until("heartbeat")).position) == before:
            pass
        again = await site.follow({"Last-Event-ID": str(after)})
        await again.until("caught_up")
        assert again.records() == []


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"start": "yesterday"}, "from"),
        ({"order_id": "no-uuid"}, "order_id"),
        ({"customer_id": "a/b"}, "customer_id"),
        ({"types": "OrderEaten"}, "types"),
        ({"snapshot": "true"}, "snapshot"),
        ({"snapshot": "perhaps"}, "snapshot"),
    ],
)
async def test_what_can_t_be_served_is_a_problem_that_names_the_parameter(site: SseSite, parameters: dict[str, str], name: str) -> None:
    response = await site.ask(**parameters)
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["code"]) == (422, "validation_failed")
    assert [error["parameter"] for error in problem["errors"]] == [name]
    assert len(site.streams) == 0


async def test_a_position_of_another_log_is_reset_and_ends_the_stream_where_a_browser_begins_anew(feed: RunningFeed, site: SseSite) -> None:
    order = created()
    await feed.log.append(order)
    stream = await site.follow({"Last-Event-ID": "e.AAAA"})
    reset = await stream.until("reset")
    await stream.to_the_end()
    again = await site.follow({"Last-Event-ID": str(reset.position)})
    assert ids(await again.records_until(1)) == [str(order.id)]


async def test_pages_of_other_origins_are_refused_and_allowed_ones_may_read(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(ORDERS_FEED_ORIGINS="https://shop.example")
    async with SseSite(feed) as site:
        refused = await site.ask({"Origin": "https://evil.example"})
        assert (refused.status, (await refused.json(content_type=None))["code"]) == (403, "origin_refused")
        assert "Access-Control-Allow-Origin" not in refused.headers
        for parameters in ({}, {"start": "yesterday"}):
            allowed = await site.ask({"Origin": "https://shop.example"}, **parameters)
            assert allowed.headers["Access-Control-Allow-Origin"] == "https://shop.example"
            assert allowed.headers["Vary"] == "Origin"
            allowed.close()


async def test_before_the_log_s_end_is_known_and_beyond_the_cap_it_is_503_with_a_hint(start_feed: StartFeed) -> None:
    feed: RunningFeed = await start_feed(ORDERS_FEED_MAX_CONNECTIONS=1)
    async with SseSite(feed) as site:
        held = await site.follow()
        full = await site.ask()
        assert (full.status, (await full.json(content_type=None))["code"]) == (503, "feed_full")
        assert int(full.headers["Retry-After"]) >= 1
        held.response.close()
        await until(lambda: len(site.streams) == 0)
        site.streams.send_away()
        closed = await site.ask()
        assert (closed.status, (await closed.json(content_type=None))["code"]) == (503, "not_ready")
        assert int(closed.headers["Retry-After"]) >= 1


async def test_a_client_that_hops_between_the_transports_misses_nothing(feed: RunningFeed, site: SseSite) -> None:
    orders = [created() for _ in range(60)]
    appending = asyncio.create_task(_append_slowly(feed.log, [*orders, *[shipped(order.order_id) for order in orders]]))
    seen: list[dict[str, Any]] = []
    position = "earliest"
    for hop in range(12):
        if hop % 2:
            stream = await site.follow({"Last-Event-ID": position})
            seen += await stream.records_until(10)
            position = str([event.position for event in stream.events if event.name == "event"][-1])
            stream.response.close()
        else:
            client = await feed.client()
            await client.subscribe(position)
            frames = await client.events_until(10)
            seen += [frame["event"] for frame in frames[:10]]
            position = frames[9]["position"]
            await client.connection.close()
    await appending
    assert len(seen) == 120
    assert len({record["id"] for record in seen}) == 120
    for _, of_one in groupby(sorted(seen, key=lambda record: str(record["order_id"])), key=lambda record: str(record["order_id"])):
        assert [record["version"] for record in of_one] == [1, 2]


async def _append_slowly(log: TestLog, records: list[Record]) -> None:
    for begin in range(0, len(records), 3):
        await log.append(*records[begin : begin + 3])
        await asyncio.sleep(0.01)


async def test_a_client_that_does_not_read_is_ended_within_its_bounds_while_others_go_on(feed: RunningFeed, site: SseSite) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
    writer.write(b"GET /feed HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    (stalled,) = site.streams.open_streams()
    healthy = await site.follow()
    await healthy.until("caught_up")
    sent = most = 0
    async with asyncio.timeout(60):
        while len(site.streams) == 2:
            await feed.log.append(*[created(customer_id=LONG) for _ in range(500)])
            sent += 500
            await healthy.records_until(sent)
            most = max(most, stalled.outbox.buffered)
    assert most < 1024 * 1024
    assert stalled.outbox.closed_with == 4100
    assert [event.data["seq"] for event in healthy.events if event.name == "event"] == list(range(1, sent + 1))
    writer.transport.abort()


async def test_a_slow_client_is_parked_and_goes_on_from_there_with_nothing_missing(feed: RunningFeed, site: SseSite) -> None:
    stream = await site.follow()
    await stream.until("caught_up")
    (served,) = site.streams.open_streams()
    transport: Any = stream.response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()
    sent = 0
    while served.outbox.buffered < 200 * 1024:
        await feed.log.append(*[created(customer_id=LONG) for _ in range(500)])
        sent += 500
        assert await feed.tail.wait_until(dict(feed.log.next_places), 10)
    transport.resume_reading()
    await feed.log.append(*[created(customer_id=LONG) for _ in range(500)])
    records = await stream.records_until(sent + 500)
    assert len({record["id"] for record in records}) == sent + 500
    assert [event.data["seq"] for event in stream.events if event.name == "event"] == list(range(1, sent + 501))


async def test_stopping_ends_each_stream_with_a_word_and_a_hint(feed: RunningFeed, site: SseSite) -> None:
    stream = await site.follow()
    await stream.until("caught_up")
    await site.stop()
    closing = await stream.until("closing")
    assert (closing.data["close"], closing.data["code"]) == (4200, "going_away")
    assert stream.retries[-1] == closing.data["retry_after_ms"]
    await stream.to_the_end()


async def test_nothing_is_left_of_clients_that_went(feed: RunningFeed, site: SseSite) -> None:
    await feed.log.append(*[created() for _ in range(100)])
    streams: list[SseReader] = []
    for number in range(20):
        streams.append(await site.follow(start="earliest" if number % 2 else "latest"))
        streams[-1].response.close()
    await until(lambda: len(site.streams) == 0)
    assert site.streams.subscriptions == 0
    with pytest.raises(aiohttp.ClientError):
        await streams[0].response.content.read()
