"""An offer to go on in another protocol is ignored (RFC 9110, 7.8): the request is served as if it had not been made."""

from collections.abc import AsyncIterator

import pytest

from gateway.heads import HeadLimits
from tests.support.raw_http import RawClient, RawSite, serving

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
WEBSOCKET = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBA==\r\n"
PLAIN = b"GET /after HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH = (b"Content-Length: 12\r\n", b"hello, world")
CHUNKS = (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n")


@pytest.fixture
async def site() -> AsyncIterator[RawSite]:
    async with serving(HeadLimits()) as made:
        yield made


@pytest.fixture
async def client(site: RawSite) -> RawClient:
    return await site.client()


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
@pytest.mark.parametrize(("framing", "body"), [LENGTH, CHUNKS], ids=["length", "chunks"])
@pytest.mark.parametrize("piece", [1, 7, 100, 10_000])
async def test_the_body_is_read_and_the_connection_goes_on(client: RawClient, offer: bytes, framing: bytes, body: bytes, piece: int):
    sent = b"POST /orders HTTP/1.1\r\nHost: x\r\n" + offer + framing + b"\r\n" + body + PLAIN
    for _ in range(2):
        await client.send(*(sent[at : at + piece] for at in range(0, len(sent), piece)))
        first, second = await client.answer(), await client.answer()

        assert (first.status, second.status) == (200, 200)
        assert b'"path":"/orders","body":12' in first.body
        assert b'"upgrade"' not in first.body
        assert b'"path":"/after","body":0' in second.body


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
async def test_a_get_with_an_offer_is_served(client: RawClient, offer: bytes):
    await client.send((b"GET /orders HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n") * 2)

    assert [(await client.answer()).status for _ in range(2)] == [200, 200]


async def test_a_client_that_expects_100_gets_it(client: RawClient):
    await client.send(b"POST /orders HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + H2C + LENGTH[0] + b"\r\n")
    assert (await client.answer()).status == 100
    await client.send(LENGTH[1])

    assert b'"body":12' in (await client.answer()).body


async def test_a_connection_that_is_to_end_ends(client: RawClient):
    await client.send(b"GET /orders HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n")

    assert (await client.answer()).headers["connection"] == "close"
    assert await client.rest() == b""


async def test_the_offer_wins_no_larger_head(client: RawClient):
    await client.send(b"GET /orders HTTP/1.1\r\nHost: x\r\n" + H2C + b"X: " + b"a" * 20_000 + b"\r\n\r\n")

    assert (await client.answer()).status == 431


async def test_conflicting_lengths_are_refused_with_an_offer_too(client: RawClient):
    await client.send(b"POST /orders HTTP/1.1\r\nHost: x\r\n" + H2C + LENGTH[0] + CHUNKS[0] + b"\r\n" + CHUNKS[1])

    assert (await client.answer()).status == 400


async def test_a_tunnel_to_a_path_is_answered_and_nothing_more_is_read(site: RawSite, client: RawClient):
    await client.send(b"CONNECT /orders HTTP/1.1\r\nHost: x\r\n\r\n" + PLAIN)

    assert (await client.answer()).headers["connection"] == "close"
    assert await client.rest() == b""
    assert site.served == ["/orders"]
