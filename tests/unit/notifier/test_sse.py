"""The feed's second transport: what a stream shows, what it refuses, and that nothing is lost between the two."""

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

import aiohttp
import pytest

from event_schemas.events import Record
from infra.kafka.partitioner import partition_of
from infra.process.settings import Settings
from notifier.feed import Feed
from tests.support.records import created, rejected, shipped
from tests.support.service_process import eventually
from tests.unit.notifier.memory_feed import MemoryFeed, MemorySlices, RawClient
from tests.unit.notifier.sse_kit import SseReader, SseSite

LONG = "x" * 190


class Streams:
    """Streams of a log in memory, beside websockets of the same."""

    def __init__(self, feed: MemoryFeed, **settings: Any) -> None:
        self.log, self.feed = feed.log, feed
        own = Settings(**settings)
        tail: Any = feed.log
        hub = Feed(own, tail)
        slices: Any = MemorySlices(feed.log)
        hub.slices = slices
        self.hub = hub
        self.site = SseSite(own, hub, websockets_at=feed.port)

    async def append(self, *records: Record) -> None:
        """Append and show, each record on the partition where it belongs."""
        for record in records:
            self.log.show(partition_of(str(record.order_id), 2), record)
        await asyncio.sleep(0)


@pytest.fixture
async def streams(memory_feed: MemoryFeed) -> AsyncIterator[Streams]:
    """Of an empty log."""
    opened = Streams(memory_feed)
    async with opened.site:
        yield opened


@pytest.fixture
def site(streams: Streams) -> SseSite:
    """Where they are asked for."""
    return streams.site


def ids(records: list[dict[str, Any]]) -> list[str]:
    """Which records."""
    return [record["id"] for record in records]


async def test_it_replays_the_log_then_goes_on_live_with_a_position_on_every_event(streams: Streams, site: SseSite) -> None:
    orders = [created() for _ in range(30)]
    await streams.append(*orders)
    stream = await site.follow(start="earliest")
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    assert stream.response.headers["Cache-Control"] == "no-store"
    await stream.until("caught_up")
    later = shipped(orders[0].order_id)
    await streams.append(later)
    await stream.until("event")

    assert [event.name for event in stream.events] == ["subscribed", *["event"] * 30, "caught_up", "event"]
    assert sorted(ids(stream.records())) == sorted(str(record.id) for record in (*orders, later))
    assert [event.position for event in stream.events] == [event.data["position"] for event in stream.events]
    assert [event.data["seq"] for event in stream.events if event.name == "event"] == list(range(1, 32))
    assert 1_000 <= stream.retries[0] <= 5_000


async def test_last_event_id_goes_before_from_and_leads_to_exactly_the_rest(streams: Streams, site: SseSite) -> None:
    await streams.append(*[created() for _ in range(20)])
    first = await site.follow(start="earliest")
    records = await first.records_until(20)
    for index in (0, 7, 18):
        position = [event.position for event in first.events if event.name == "event"][index]
        again = await site.follow({"Last-Event-ID": str(position)}, start="latest")
        assert sorted(ids(await again.records_until(19 - index))) == sorted(ids(records[index + 1 :]))


async def test_filters(streams: Streams, site: SseSite) -> None:
    ada, bob = created(customer_id="ada"), created(customer_id="bob")
    refusal, sent = rejected(ada.order_id, version=1, customer_id="ada"), shipped(bob.order_id, customer_id="bob")
    await streams.append(ada, bob, refusal, sent)
    wanted: list[tuple[dict[str, Any], list[Record]]] = [
        ({"customer_id": "ada"}, [ada, refusal]),
        ({"order_id": bob.order_id}, [bob, sent]),
        ({"types": "OrderShipped,CommandRejected"}, [refusal, sent]),
    ]
    for parameters, records in wanted:
        stream = await site.follow(start="earliest", **parameters)
        await stream.until("caught_up")
        assert sorted(ids(stream.records())) == sorted(str(record.id) for record in records), parameters


async def test_heartbeats_move_the_position_also_when_nothing_matches(memory_feed: MemoryFeed) -> None:
    streams = Streams(memory_feed, ORDERS_FEED_HEARTBEAT=0.1)
    async with streams.site as site:
        stream = await site.follow(customer_id="nobody")
        before = (await stream.until("heartbeat")).position
        await streams.append(created())
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


async def test_a_position_of_another_log_is_reset_and_ends_the_stream_where_a_browser_begins_anew(streams: Streams, site: SseSite) -> None:
    order = created()
    await streams.append(order)
    stream = await site.follow({"Last-Event-ID": "e.AAAA"})
    reset = await stream.until("reset")
    await stream.to_the_end()
    again = await site.follow({"Last-Event-ID": str(reset.position)})
    assert ids(await again.records_until(1)) == [str(order.id)]


async def test_pages_of_other_origins_are_refused_and_allowed_ones_may_read(memory_feed: MemoryFeed) -> None:
    async with Streams(memory_feed, ORDERS_FEED_ORIGINS="https://shop.example").site as site:
        refused = await site.ask({"Origin": "https://evil.example"})
        assert (refused.status, (await refused.json(content_type=None))["code"]) == (403, "origin_refused")
        assert "Access-Control-Allow-Origin" not in refused.headers
        for parameters in ({}, {"start": "yesterday"}):
            allowed = await site.ask({"Origin": "https://shop.example"}, **parameters)
            assert allowed.headers["Access-Control-Allow-Origin"] == "https://shop.example"
            assert allowed.headers["Vary"] == "Origin"
            allowed.close()


async def test_before_the_log_s_end_is_known_and_beyond_the_cap_it_is_503_with_a_hint(memory_feed: MemoryFeed) -> None:
    async with Streams(memory_feed, ORDERS_FEED_MAX_CONNECTIONS=1).site as site:
        held = await site.follow()
        full = await site.ask()
        assert (full.status, (await full.json(content_type=None))["code"]) == (503, "feed_full")
        assert int(full.headers["Retry-After"]) >= 1
        held.response.close()

        async def nobody() -> bool:
            return len(site.streams) == 0

        await eventually(nobody)
        site.streams.send_away()
        closed = await site.ask()
        assert (closed.status, (await closed.json(content_type=None))["code"]) == (503, "not_ready")
        assert int(closed.headers["Retry-After"]) >= 1


async def test_a_client_that_hops_between_the_transports_misses_nothing(streams: Streams, site: SseSite) -> None:
    orders = [created() for _ in range(60)]
    appending = asyncio.create_task(_append_slowly(streams, [*orders, *[shipped(order.order_id) for order in orders]]))
    seen: list[dict[str, Any]] = []
    position = "earliest"
    for hop in range(12):
        if hop % 2:
            stream = await site.follow({"Last-Event-ID": position})
            seen += (await stream.records_until(10))[:10]
            position = str([event.position for event in stream.events if event.name == "event"][9])
            stream.response.close()
        else:
            raw = await RawClient.connect(streams.feed.port)
            await raw.say(type="subscribe", start=position)
            frames = [await raw.until("event") for _ in range(10)]
            seen += [frame["event"] for frame in frames]
            position = frames[-1]["position"]
            await raw.leave()
    await appending
    assert len(seen) == 120
    assert len({record["id"] for record in seen}) == 120
    for _, of_one in groupby(sorted(seen, key=lambda record: str(record["order_id"])), key=lambda record: str(record["order_id"])):
        assert [record["version"] for record in of_one] == [1, 2]


async def _append_slowly(streams: Streams, records: list[Record]) -> None:
    for record in records:
        await streams.append(record)
        await asyncio.sleep(0.003)


@pytest.mark.usefixtures("short_farewell")
async def test_a_client_that_does_not_read_is_ended_within_its_bounds_while_others_go_on(
    streams: Streams, site: SseSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.admission.PATIENCE_S", 0.5)
    stalled_reader = await site.follow()
    stalled_reader.response.connection.transport.pause_reading()  # type: ignore[union-attr]
    (stalled,) = site.streams.open_streams()
    healthy = await site.follow()
    await healthy.until("caught_up")
    sent = most = 0
    async with asyncio.timeout(60):
        while len(site.streams) == 2:
            await streams.append(*[created(customer_id=LONG) for _ in range(200)])
            sent += 200
            await healthy.records_until(sent)
            most = max(most, stalled.sink.buffered)
    assert most < 1024 * 1024
    assert stalled.sink.closed_with == 4100
    assert [event.data["seq"] for event in healthy.events if event.name == "event"] == list(range(1, sent + 1))


async def test_a_slow_client_is_parked_and_goes_on_from_there_with_nothing_missing(streams: Streams, site: SseSite) -> None:
    stream = await site.follow()
    await stream.until("caught_up")
    transport: Any = stream.response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()
    sent = 0
    while not streams.hub.slow:
        await streams.append(*[created(customer_id=LONG) for _ in range(200)])
        sent += 200
    transport.resume_reading()
    await streams.append(*[created(customer_id=LONG) for _ in range(200)])
    records = await stream.records_until(sent + 200)
    assert len({record["id"] for record in records}) == sent + 200
    assert [event.data["seq"] for event in stream.events if event.name == "event"] == list(range(1, sent + 201))


async def test_stopping_ends_each_stream_with_a_word_and_a_hint(streams: Streams, site: SseSite) -> None:
    stream = await site.follow()
    await stream.until("caught_up")
    await site.stop()
    closing = await stream.until("closing")
    assert (closing.data["close"], closing.data["code"]) == (4200, "going_away")
    assert stream.retries[-1] == closing.data["retry_after_ms"]
    await stream.to_the_end()


async def test_nothing_is_left_of_clients_that_went(streams: Streams, site: SseSite) -> None:
    await streams.append(*[created() for _ in range(100)])
    left: list[SseReader] = []
    for number in range(20):
        left.append(await site.follow(start="earliest" if number % 2 else "latest"))
        left[-1].response.close()

    async def nobody() -> bool:
        return len(site.streams) == 0

    await eventually(nobody)
    assert site.streams.subscriptions == 0
    with pytest.raises(aiohttp.ClientError):
        await left[0].response.content.read()
