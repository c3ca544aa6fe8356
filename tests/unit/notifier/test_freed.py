"""What a client that went leaves behind is freed at once, not by the next look at all clients, which would stop them all for a second.

On the notifier's own loop: the transports of asyncio's have other cycles.
"""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop

from event_schemas.feed_codes import CloseCode
from notifier.admission import Limits
from notifier.websocket.connection import FeedConnection
from tests.support.records import created
from tests.unit.notifier.memory_feed import CLOSE, DEADLINE_S, TEXT, MemoryFeed, RawClient, frame

pytestmark = pytest.mark.usefixtures("no_collector", "short_farewell")
_TURN_S = 0.1
"""Of pings and heartbeats: whoever has left is forgotten at the next."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only counting references frees anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def _cut(_: MemoryFeed, client: RawClient) -> None:
    client.writer.transport.abort()


async def _closed_by_itself(_: MemoryFeed, client: RawClient) -> None:
    await client.send(frame(CLOSE, (1000).to_bytes(2)))
    assert await client.close_code() == 1000


async def _broke_the_protocol(_: MemoryFeed, client: RawClient) -> None:
    await client.send(frame(TEXT, b"{}", masked=False))
    assert await client.close_code() == 1002


async def _not_served(_: MemoryFeed, client: RawClient) -> None:
    for _ in range(20):
        await client.send(frame(TEXT, b"no JSON"))
    assert await client.close_code() == CloseCode.BAD_FRAMES


async def _replayed(feed: MemoryFeed, client: RawClient) -> None:
    feed.log.show(0, *[created() for _ in range(50)])
    await client.say(type="subscribe", start="earliest", id="all")
    await client.until("caught_up")
    await client.leave()


@pytest.mark.parametrize("ends", [_cut, _closed_by_itself, _broke_the_protocol, _not_served, _replayed])
def test_a_client_is_freed(ends: Callable[[MemoryFeed, RawClient], Awaitable[None]], made: list[weakref.ref[FeedConnection]]) -> None:
    async def come_and_go(feed: MemoryFeed) -> None:
        client = await RawClient.connect(feed.port)
        await client.say(type="subscribe")
        await client.until("caught_up")
        await ends(feed, client)
        await client.leave()

    uvloop.run(_freed_after(come_and_go, made))


def test_a_refused_client_is_freed(made: list[weakref.ref[FeedConnection]]) -> None:
    async def be_refused(feed: MemoryFeed) -> None:
        client = await RawClient.connect(feed.port, path="/elsewhere")
        assert client.status == 404
        await client.leave()

    uvloop.run(_freed_after(be_refused, made))


def test_a_client_that_leaves_before_it_has_said_anything_is_freed(made: list[weakref.ref[FeedConnection]]) -> None:
    async def say_nothing(feed: MemoryFeed) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", feed.port)
        writer.close()
        await (await RawClient.connect(feed.port)).leave()

    uvloop.run(_freed_after(say_nothing, made))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[FeedConnection]]:
    """Every connection that was made."""
    found: list[weakref.ref[FeedConnection]] = []
    begin = FeedConnection.connection_made

    def noting(self: FeedConnection, transport: asyncio.BaseTransport) -> None:
        found.append(weakref.ref(self))
        begin(self, transport)

    monkeypatch.setattr(FeedConnection, "connection_made", noting)
    return found


async def _freed_after(work: Callable[[MemoryFeed], Awaitable[None]], made: list[weakref.ref[FeedConnection]]) -> None:
    feed = await MemoryFeed.start(limits=Limits(ping_s=_TURN_S), ORDERS_FEED_HEARTBEAT=_TURN_S)
    await work(feed)
    async with asyncio.timeout(DEADLINE_S):
        while not made or any(connection() is not None for connection in made):
            await asyncio.sleep(0.02)
    await feed.stop()
