"""A client of POSTs that costs little: one request at a time on each connection, answers parsed by httptools as in uvicorn."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import httptools
import orjson

_IDLE_S = 3.0
"""Longest that a connection may be idle and still be used: uvicorn closes it after 5 s."""


class Answer(NamedTuple):
    """What came back. `status` 0: the connection ended before an answer."""

    status: int
    body: bytes


def post(path: str, body: Mapping[str, Any], headers: str = "") -> bytes:
    """The bytes of a POST of JSON. `headers`: further ones, each ending in CR LF."""
    content = orjson.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content


class HttpConnection(asyncio.Protocol):
    """One connection, kept open."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        self._idle_since = 0.0
        self.open = False

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on it. Not on one that the server may be about to close: a POST is not sent twice."""
        return self.open and time.monotonic() < self._idle_since + _IDLE_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: requests may be sent from now on."""
        self._transport, self.open = cast(asyncio.Transport, transport), True  # uvloop's is none by its class
        self._idle_since = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Called by the parser: a piece of the answer."""
        self._body += body

    def on_message_complete(self) -> None:
        """Called by the parser: hand the answer over."""
        answer = Answer(self._parser.get_status_code(), bytes(self._body))
        self._body.clear()
        self._idle_since = time.monotonic()
        self._done(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The request under way gets status 0."""
        self.open = False
        self._done(Answer(0, b""))

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    async def request(self, message: bytes) -> Answer:
        """Send a request and wait for its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answer

    def _done(self, answer: Answer) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)


class HttpClient:
    """Connections to one server, opened when all others are busy, at most `most`; beyond that requests wait their turn."""

    def __init__(self, port: int, *, most: int = 1_000) -> None:
        self._port = port
        self._free: list[HttpConnection] = []
        self._all: list[HttpConnection] = []
        self._slots = asyncio.Semaphore(most)

    async def request(self, message: bytes) -> Answer:
        """Send a request on a free connection. Raises OSError when no connection can be opened."""
        async with self._slots:
            connection = await self._take()
            answer = await connection.request(message)
            if connection.open:
                self._free.append(connection)
            else:
                self._all.remove(connection)
            return answer

    async def _take(self) -> HttpConnection:
        while self._free:
            connection = self._free.pop()
            if connection.usable:
                return connection
            connection.close()
            self._all.remove(connection)
        _, made = await asyncio.get_running_loop().create_connection(HttpConnection, "127.0.0.1", self._port)
        self._all.append(made)
        return made

    def close(self) -> None:
        """Close all connections."""
        for connection in self._all:
            connection.close()
