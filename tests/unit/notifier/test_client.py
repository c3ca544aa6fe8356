"""The Python client over real sockets: cut off, sent away, moved between instances, restarted; none missing, none twice, in order."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from notifier.client import CaughtUp, Event, FeedClient, FeedStopped, Item, Joined, Lost, Passed, Reset, Wanted
from notifier.websocket.server import FeedServer
from tests.support.records import created, rejected, shipped
from tests.support.service_process import eventually, free_port
from tests.unit.notifier.memory_feed import MemoryFeed, StartFeed

PARTITIONS = 2


@pytest.fixture
async def feeds(start_feed: StartFeed) -> list[MemoryFeed]:
    """Two instances on one log."""
    started = [await start_feed(partitions=PARTITIONS) for _ in range(2)]
    started[1].log.records = started[0].log.records
    return started


def url(feed: MemoryFeed) -> str:
    """Of an instance."""
    return f"ws://127.0.0.1:{feed.port}/feed"


def show(feeds: list[MemoryFeed], partition: int, *records: Any) -> None:
    """Append, and let every instance see it."""
    for record in records:
        feeds[0].log.append(partition, record)
    for feed in feeds:
        feed.log.show_up_to(partition)


def cut(feeds: list[MemoryFeed]) -> None:
    """As a killed process leaves its clients: without a word."""
    for feed in feeds:
        for connection in list(feed.server._clients):
            connection.transport.abort()


async def collect(urls: list[str], start: str, seen: list[dict[str, Any]], kept: list[str], items: list[Item]) -> None:
    """Follow for ever; keep each position when its item is dealt with, as a service does."""
    async with FeedClient(urls, wanted=Wanted(start=start)) as feed:
        async for item in feed:
            items.append(item)
            if isinstance(item, Event):
                seen.append(item.event)
            if isinstance(item, Event | CaughtUp | Passed):
                kept.append(item.position)


async def test_through_cuts_and_restarts_of_the_client_between_two_instances(feeds: list[MemoryFeed]) -> None:
    chance, urls = random.Random(11), [url(feed) for feed in feeds]
    seen: list[dict[str, Any]] = []
    kept, items = ["earliest"], list[Item]()
    following = asyncio.create_task(collect(urls, "earliest", seen, kept, items))
    orders = [created() for _ in range(200)]
    for number, order in enumerate(orders):
        show(feeds, number % PARTITIONS, order)
        if number >= 20:
            show(feeds, (number - 20) % PARTITIONS, shipped(orders[number - 20].order_id))
        await asyncio.sleep(0.005)
        if chance.random() < 0.1:
            cut(feeds)
        if chance.random() < 0.03:
            # The service is killed, and started with what it had kept.
            following.cancel()
            await asyncio.wait({following})
            following = asyncio.create_task(collect(urls, kept[-1], seen, kept, items))

    def losses() -> int:
        return sum(isinstance(item, Lost) for item in items)

    async def often_enough() -> bool:
        cut(feeds)
        return losses() >= 5  # a client that was not there when the dice said so has lost nothing yet

    await eventually(often_enough, 60)

    async def complete() -> bool:
        return len(seen) >= 380

    await eventually(complete, 60)
    following.cancel()
    await asyncio.wait({following})
    logged = [[str(counted.record.id) for counted in run] for run in feeds[0].log.records.values()]
    ids = [event["id"] for event in seen]
    assert sorted(ids) == sorted(name for run in logged for name in run)
    for run in logged:
        assert [name for name in ids if name in set(run)] == run
    assert {item.url for item in items if isinstance(item, Joined)} == set(urls)


async def test_sent_away_it_comes_back_elsewhere_after_the_server_s_pause(feeds: list[MemoryFeed]) -> None:
    urls = [url(feed) for feed in feeds]
    async with FeedClient(urls) as client:
        first = await anext(client)
        assert isinstance(first, Joined)
        assert isinstance(await anext(client), CaughtUp)
        stopping = next(feed for feed in feeds if url(feed) == first.url)
        other = next(feed for feed in feeds if feed is not stopping)
        await stopping.server.stop()
        lost = await anext(client)
        assert isinstance(lost, Lost)
        assert lost.code == "going_away"
        assert lost.again_in_s < 1.0
        show([other], 0, created())
        again = await anext(client)
        assert isinstance(again, Joined)
        assert again.url == url(other)
        assert isinstance(await anext(client), Event)


async def test_a_slow_caller_loses_nothing(feeds: list[MemoryFeed]) -> None:
    async with FeedClient(url(feeds[0]), wanted=Wanted(start="earliest")) as client:
        records = [created(customer_id="x" * 190) for _ in range(2_000)]
        assert isinstance(await anext(client), Joined)
        for begin in range(0, 2_000, 100):
            show(feeds, 0, *records[begin : begin + 100])
            await asyncio.sleep(0.01)
        events = [item.event["id"] async for item in _events(client, 2_000)]
    assert events == [str(record.id) for record in records]


async def _events(client: FeedClient, count: int) -> AsyncIterator[Event]:
    async for item in client:
        if isinstance(item, Event):
            yield item
            count -= 1
            if not count:
                return


async def test_nobody_there_is_told_and_tried_again_until_somebody_is(start_feed: StartFeed) -> None:
    port = free_port()
    async with FeedClient(f"ws://127.0.0.1:{port}/feed") as client:
        lost = await anext(client)
        assert isinstance(lost, Lost)
        assert "no feed answers" in lost.detail
        feed = await start_feed()
        own = FeedServer(feed.server._settings, feed.log)  # type: ignore[arg-type]
        await own.start(port)
        async for item in client:
            if isinstance(item, Joined):
                break
        await own.stop()


@pytest.mark.parametrize(
    ("wanted", "path", "says"),
    [
        (Wanted(start="yesterday"), "/feed", "from: must be latest, earliest or a position"),
        (Wanted({"customer": "ada"}), "/feed", "customer"),
        (Wanted(), "/wrong", "404"),
    ],
)
async def test_what_coming_back_would_not_help_is_raised(memory_feed: MemoryFeed, wanted: Wanted, path: str, says: str) -> None:
    async with FeedClient(f"ws://127.0.0.1:{memory_feed.port}{path}", wanted=wanted) as client:
        with pytest.raises(FeedStopped, match=says):
            await anext(client)


async def test_a_full_instance_is_come_back_to_when_it_says(start_feed: StartFeed) -> None:
    full = await start_feed(ORDERS_FEED_MAX_CONNECTIONS=1)
    async with FeedClient(url(full)) as first, FeedClient([url(full), url(full)]) as second:
        assert isinstance(await anext(first), Joined)
        lost = await anext(second)
        assert isinstance(lost, Lost)
        assert "503" in lost.detail
        assert lost.again_in_s >= 5


async def test_a_damaged_position_begins_anew_and_says_so(memory_feed: MemoryFeed) -> None:
    record = rejected()
    memory_feed.log.show(0, record)
    async with FeedClient(f"ws://127.0.0.1:{memory_feed.port}/feed", wanted=Wanted(start="e.damaged")) as client:
        reset = await anext(client)
        assert isinstance(reset, Reset)
        assert reset.reason == "malformed"
        seen = [item async for item in _events(client, 1)]
    assert seen[0].event["id"] == str(record.id)


async def test_a_connection_on_which_nothing_comes_is_given_up(memory_feed: MemoryFeed) -> None:
    async with FeedClient(f"ws://127.0.0.1:{memory_feed.port}/feed", silence_s=0.2) as client:
        async for item in client:
            if isinstance(item, Lost):
                assert "nothing came for 0.2 s" in item.detail
                break
