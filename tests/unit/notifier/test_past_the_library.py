"""Frames are written past the library: the conditions under which that is right, one by one."""

import asyncio
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from event_schemas.feed_codes import CloseCode
from tests.support.records import created
from tests.unit.notifier.memory_feed import CLOSE, PING, PONG, TEXT, MemoryFeed, RawClient, frame

SUBSCRIBE = frame(TEXT, b'{"type":"subscribe"}')


async def subscribed(feed: MemoryFeed) -> RawClient:
    """A client that sees everything."""
    raw = await RawClient.connect(feed.port)
    await raw.send(SUBSCRIBE)
    await raw.until("caught_up")
    return raw


@pytest.mark.parametrize(
    "offered", ["permessage-deflate", "permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame", "permessage-bzip2"]
)
async def test_no_extension_is_agreed_on(memory_feed: MemoryFeed, offered: str) -> None:
    raw = await RawClient.connect(memory_feed.port, Sec_WebSocket_Extensions=offered)
    assert raw.status == 101
    assert "sec-websocket-extensions" not in {name.lower() for name in raw.answer}
    await raw.send(SUBSCRIBE)
    assert (await raw.next()).json()["type"] == "subscribed"


async def test_a_library_s_client_that_offers_compression_reads_every_frame(memory_feed: MemoryFeed) -> None:
    async with connect(f"ws://127.0.0.1:{memory_feed.port}/feed", compression="deflate") as client:
        await client.send('{"type":"subscribe"}')
        async with asyncio.timeout(10):
            frames = [await client.recv()]
            memory_feed.log.show(0, *[created() for _ in range(20)])
            frames += [await client.recv() for _ in range(21)]
    assert all(isinstance(text, str) for text in frames)


async def test_control_frames_stand_between_whole_frames(memory_feed: MemoryFeed) -> None:
    raw = await subscribed(memory_feed)
    for number in range(200):
        await raw.send(frame(PING, b"%d" % number))
        memory_feed.log.show(number % 2, created(customer_id="x" * (1 + number)))
    frames = [await raw.next() for _ in range(400)]
    assert [found.payload for found in frames if found.opcode == PONG] == [b"%d" % number for number in range(200)]
    assert [found.json()["seq"] for found in frames if found.opcode == TEXT] == list(range(1, 201))


async def test_nothing_is_written_after_the_server_s_close_frame(memory_feed: MemoryFeed, short_farewell: None) -> None:
    raw = await subscribed(memory_feed)
    (connection,) = memory_feed.server._clients
    connection.sink.queue(b'{"type":"before"}')
    connection.sink.flush()
    connection.sink.end(CloseCode.INTERNAL, {"code": "internal"})
    memory_feed.log.show(0, created())
    connection.sink.queue(b'{"type":"late"}')
    connection.sink.flush()
    connection.sink.end(CloseCode.SLOW, {"code": "slow"})
    frames = await raw.rest()
    assert [found.opcode for found in frames] == [TEXT, CLOSE]
    assert frames[-1].close_code == 4101


async def test_nothing_is_written_after_the_client_s_close_frame(memory_feed: MemoryFeed) -> None:
    raw = await subscribed(memory_feed)
    (connection,) = memory_feed.server._clients
    await raw.send(frame(CLOSE, b"\x03\xe8"))
    async with asyncio.timeout(10):
        while connection.sink.open:
            await asyncio.sleep(0.001)
    memory_feed.log.show(0, created())
    assert [found.opcode for found in await raw.rest()] == [CLOSE]


async def test_nobody_sends_by_the_library(memory_feed: MemoryFeed) -> None:
    await subscribed(memory_feed)
    (connection,) = memory_feed.server._clients
    with pytest.raises(AssertionError):
        await connection.send(["a fragmented", "message"])


async def test_the_library_s_close_at_the_end_comes_after_what_was_written(memory_feed: MemoryFeed) -> None:
    async with connect(f"ws://127.0.0.1:{memory_feed.port}/feed", compression=None) as client:
        await client.send('{"type":"subscribe"}')
        assert '"subscribed"' in str(await client.recv())
        memory_feed.log.show(0, *[created() for _ in range(50)])
        stopping = asyncio.create_task(memory_feed.server.stop())
        seen = 0
        with suppress(ConnectionClosed):
            while True:
                seen += '"event"' in str(await client.recv())
        await stopping
    assert seen == 50
    assert client.close_code == 4200
