"""The bench's feed clients keep a connection as a real client does."""

import asyncio
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tools.bench.feed_load.clients import FeedClients, NotServed, subscribe


@pytest.mark.parametrize("payload", [b"", b"four", b"x" * 125])
async def test_a_ping_is_answered_whatever_it_carries(payload: bytes) -> None:
    """Else the notifier cuts the clients off after 40 s, and a load reports connections dropped that only the bench lost."""
    answered = asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send('{"type":"caught_up"}')
        await (await connection.ping(payload))
        answered.set()
        await connection.wait_closed()

    async with serve(handle, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
        clients = FeedClients(server.sockets[0].getsockname()[1], [subscribe()])
        try:
            await asyncio.to_thread(clients.connect, 5.0)
            await asyncio.to_thread(clients.receive_until, answered.is_set, 5.0)
        finally:
            clients.close()
        assert clients.closed == 0


async def _served(refusals: list[Response | None], clients: int) -> int:
    """How many of the clients were let in, by a server that answers the first handshakes with `refusals`."""

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send('{"type":"caught_up"}')
        await connection.wait_closed()

    def refuse(connection: ServerConnection, _: Request) -> Response | None:
        return refusals.pop() if refusals else None

    async with serve(handle, "127.0.0.1", 0, process_request=refuse, compression=None) as server:
        found = FeedClients(server.sockets[0].getsockname()[1], [subscribe()] * clients)
        try:
            await asyncio.to_thread(found.connect, 10.0)
            return found.caught_up
        finally:
            found.close()


def _refusal(status: HTTPStatus, **headers: str) -> Response:
    return Response(status.value, status.phrase, Headers({name.replace("_", "-"): value for name, value in headers.items()}))


async def test_who_is_to_come_again_comes_again() -> None:
    assert await _served([_refusal(HTTPStatus.SERVICE_UNAVAILABLE, Retry_After="0") for _ in range(3)], clients=5) == 5


@pytest.mark.parametrize("status", [HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE])
async def test_who_is_refused_for_good_says_so(status: HTTPStatus) -> None:
    with pytest.raises(NotServed, match=str(status.value)):
        await _served([_refusal(status)], clients=1)
