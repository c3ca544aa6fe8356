"""What a client may not do, each with the code it is ended with or the status it is refused with."""

import asyncio
from typing import Any

import orjson
import pytest

from event_schemas.feed_codes import CloseCode
from infra.process.settings import Settings
from notifier.admission import Limits
from notifier.metrics import CLOSES, REFUSED_CONNECTIONS
from notifier.websocket.server import FeedServer
from tests.support.records import created
from tests.unit.notifier.memory_feed import DEADLINE_S, PING, TEXT, MemoryFeed, MemoryTail, RawClient, StartFeed, frame


async def gone(feed: MemoryFeed, clients: int = 0) -> None:
    """Until so many clients are left."""
    async with asyncio.timeout(DEADLINE_S):
        while feed.server.clients > clients:
            await asyncio.sleep(0.005)


async def test_a_client_that_says_nothing_is_ended(start_feed: StartFeed) -> None:
    feed = await start_feed(limits=Limits(first_frame_s=0.05, goodbye_s=0.05))
    assert await (await RawClient.connect(feed.port)).close_code() == CloseCode.NO_SUBSCRIPTION


async def test_the_log_is_read_in_a_hurry_only_while_there_are_clients(start_feed: StartFeed) -> None:
    feed = await start_feed()
    assert not feed.log.hurried
    raw = await RawClient.connect(feed.port)
    await raw.send(frame(TEXT, b'{"type":"subscribe"}'))
    await raw.next()
    assert feed.log.hurried

    raw.writer.close()
    await gone(feed)
    assert not feed.log.hurried


async def test_a_handshake_that_does_not_end_is_cut_off(start_feed: StartFeed) -> None:
    feed = await start_feed(limits=Limits(handshake_s=0.1))
    for beginning in (b"", b"GET /feed HTTP/1.1\r\nHost: x\r\n", b"G"):
        reader, writer = await asyncio.open_connection("127.0.0.1", feed.port)
        writer.write(beginning)
        async with asyncio.timeout(DEADLINE_S):
            await reader.read()
        writer.close()
    assert feed.server.clients == 0


@pytest.mark.parametrize("kind", [PING, TEXT])
async def test_a_client_that_floods_us_is_ended(start_feed: StartFeed, kind: int, short_farewell: None) -> None:
    feed = await start_feed(limits=Limits(frames=50, goodbye_s=0.05))
    raw = await RawClient.connect(feed.port)
    await raw.send(frame(TEXT, b'{"type":"subscribe"}'))
    await raw.send(b"".join(frame(kind, b'{"type":"unsubscribe","id":"%d"}' % number) for number in range(60)))
    assert await raw.close_code() in {CloseCode.TOO_MANY_FRAMES, CloseCode.BAD_FRAMES if kind == TEXT else -1}
    await gone(feed)


async def test_frames_are_counted_by_time(start_feed: StartFeed) -> None:
    feed = await start_feed(limits=Limits(frames=50, frames_s=0.05))
    raw = await RawClient.connect(feed.port)
    for _ in range(4):
        await raw.send(b"".join(frame(PING) for _ in range(40)))
        for _ in range(40):
            await raw.next()
        await asyncio.sleep(0.06)


async def test_a_client_of_whom_nothing_is_heard_is_cut_off_and_one_that_answers_pings_is_not(start_feed: StartFeed) -> None:
    feed = await start_feed(limits=Limits(ping_s=0.05))
    silent, alive = await RawClient.connect(feed.port), await RawClient.connect(feed.port)
    for _ in range(5):
        found = await alive.next()
        assert found.opcode == PING
        await alive.send(frame(0xA, found.payload))
    assert all(found.opcode == PING for found in await silent.rest())
    assert feed.server.clients == 1


async def test_no_more_clients_than_there_may_be(start_feed: StartFeed) -> None:
    feed = await start_feed(ORDERS_FEED_MAX_CONNECTIONS=2)
    clients = [await RawClient.connect(feed.port) for _ in range(3)]
    assert [client.status for client in clients] == [101, 101, 503]
    assert 5 <= int(clients[2].answer["Retry-After"]) <= 15
    await clients[0].leave()
    await gone(feed, 1)
    assert (await RawClient.connect(feed.port)).status == 101


async def test_no_more_handshakes_than_may_be_in_a_second(start_feed: StartFeed) -> None:
    before = REFUSED_CONNECTIONS.labels("rate")._value.get()
    feed = await start_feed(ORDERS_FEED_ADMISSION=5)
    clients = await asyncio.gather(*[RawClient.connect(feed.port) for _ in range(40)])
    refused = [client for client in clients if client.status == 503]
    assert 20 <= len(refused) <= 30
    assert all(1 <= int(client.answer["Retry-After"]) <= 11 for client in refused)
    assert REFUSED_CONNECTIONS.labels("rate")._value.get() == before + len(refused)


async def test_sockets_beyond_all_measure_are_not_even_listened_to(start_feed: StartFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.websocket.server.HANDSHAKES", 5)
    feed = await start_feed(ORDERS_FEED_MAX_CONNECTIONS=1)
    sockets = [await asyncio.open_connection("127.0.0.1", feed.port) for _ in range(20)]
    async with asyncio.timeout(DEADLINE_S):
        while sum(reader.at_eof() or reader.exception() is not None for reader, _ in sockets) < 10:
            await asyncio.sleep(0.005)
    for _, writer in sockets:
        writer.close()


async def test_who_does_not_read_is_not_answered(start_feed: StartFeed, monkeypatch: pytest.MonkeyPatch, short_farewell: None) -> None:
    monkeypatch.setattr("notifier.admission.PATIENCE_S", 0.1)
    feed = await start_feed(limits=Limits(frames=1_000_000))
    raw = await RawClient.connect(feed.port, small=True)
    await raw.send(frame(TEXT, b'{"type":"subscribe"}'))
    await raw.until("caught_up")
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    (connection,) = feed.server._clients
    records = [created(customer_id="x" * 200) for _ in range(50)]
    most = 0
    asking = b"".join(frame(TEXT, b'{"type":"%b","id":"x"}' % kind) for kind in (b"subscribe", b"unsubscribe") * 200)
    asking += b"".join(frame(PING, b"x" * 125) for _ in range(100))
    async with asyncio.timeout(DEADLINE_S):
        while feed.server.clients:
            raw.writer.write(asking)
            feed.log.show(0, *records)
            most = max(most, connection.transport.get_write_buffer_size())
            await asyncio.sleep(0.001)
    assert most < 512 * 1024


@pytest.mark.parametrize(
    "last_words",
    [frame(8, b"\x03\xe8"), frame(3), frame(TEXT, b"\xff"), frame(TEXT, b"x" * 70_000)],
    ids=["a close frame", "an opcode that is none", "text that is none", "a frame that is too large"],  # frames are masked at random
)
async def test_a_client_that_closes_and_keeps_its_socket_is_cut_off(start_feed: StartFeed, last_words: bytes) -> None:
    feed = await start_feed(limits=Limits(close_s=0.05, goodbye_s=0.05))
    raw = await RawClient.connect(feed.port)
    await raw.send(frame(TEXT, b'{"type":"subscribe"}') + last_words)
    await gone(feed)
    assert feed.server.subscriptions == 0


async def test_every_end_is_counted(start_feed: StartFeed) -> None:
    feed = await start_feed(limits=Limits(close_s=0.05, goodbye_s=0.2))
    before = {code: CLOSES.labels(code)._value.get() for code in ("1000", "1002", "1006", "4200", "other")}
    leaving, inventive, wrong, cut, staying = [await RawClient.connect(feed.port) for _ in range(5)]
    await leaving.send(frame(8, b"\x03\xe8"))
    await inventive.send(frame(8, b"\x0f\xff"))
    await wrong.send(frame(3))
    cut.writer.transport.abort()
    await gone(feed, 1)
    ending = asyncio.create_task(staying.rest())
    await feed.stop()
    last = (await ending)[-1]
    assert orjson.loads(last.payload[2:])["code"] == "going_away"
    assert {code: CLOSES.labels(code)._value.get() - value for code, value in before.items()} == dict.fromkeys(before, 1.0)


async def test_a_server_that_never_began_can_be_stopped() -> None:
    tail: Any = MemoryTail(2)
    await FeedServer(Settings(), tail).stop()
