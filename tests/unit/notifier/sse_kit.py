"""The feed over HTTP beside the one over websockets, on the same log; and a reader of its streams that remembers every event."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson
import uvicorn

from gateway.app import create_app
from gateway.pages import create_feed_demo_router
from gateway.protocol import GatewayProtocol
from infra.process.health import Health
from infra.process.settings import Settings
from notifier.feed import Feed
from notifier.sse.api import create_feed_router
from notifier.sse.streams import SseStreams
from tests.support.prompt_server import PromptServer

DEADLINE_S = 20.0
BUFFER_BYTES = 32 * 1024


@dataclass
class SseEvent:
    """One event of a stream."""

    name: str
    data: dict[str, Any]
    position: str | None


@dataclass
class SseReader:
    """One stream."""

    response: aiohttp.ClientResponse
    events: list[SseEvent] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)
    _records: list[dict[str, Any]] = field(default_factory=list)

    async def next(self) -> SseEvent | None:
        """The next event, None at the stream's end."""
        name, data, position = "message", "", None
        async with asyncio.timeout(DEADLINE_S):
            while line := (await self.response.content.readline()).decode():
                kind, _, value = line.rstrip("\n").partition(": ")
                match kind:
                    case "event":
                        name = value
                    case "data":
                        data += value
                    case "id":
                        position = value
                    case "retry":
                        self.retries.append(int(value))
                    case "" if data:
                        self.events.append(SseEvent(name, orjson.loads(data), position))
                        if name == "event":
                            self._records.append(self.events[-1].data["event"])
                        return self.events[-1]
        return None

    async def until(self, name: str) -> SseEvent:
        """The next event of this name."""
        while (event := await self.next()) is not None:
            if event.name == name:
                return event
        raise AssertionError(f"the stream ended without {name}: {self.events[-3:]}")

    async def records_until(self, count: int) -> list[dict[str, Any]]:
        """Read until so many records have come; all of them."""
        while len(self.records()) < count:
            assert await self.next() is not None, f"the stream ended after {len(self.records())} records"
        return self.records()

    def records(self) -> list[dict[str, Any]]:
        """The records so far."""
        return self._records

    async def to_the_end(self) -> None:
        """Read on until the stream ends."""
        while await self.next() is not None:
            pass


def small_socket(address: Any) -> socket.socket:
    """A socket that takes little at a time, so that not much is needed to fill it; the server's are alike."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    made.setblocking(False)
    return made


class SseSite:
    """A gateway with nothing but the feed and its demo page, which finds the feed's websockets at `websockets_at`."""

    def __init__(self, settings: Settings, feed: Feed, *, websockets_at: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self.port = int(self._listener.getsockname()[1])
        self.streams = SseStreams(settings, feed)
        routers = [create_feed_router(self.streams), create_feed_demo_router(websockets_at)]
        app = create_app(Health("gateway"), routers)
        config = uvicorn.Config(app, http=GatewayProtocol, log_config=None, lifespan="off", ws="none")
        config.timeout_graceful_shutdown = 2
        self._server = PromptServer(config)
        self._serving = AsyncExitStack()
        self._running = False

    async def __aenter__(self) -> Self:
        await self.streams.start()
        await self._serving.enter_async_context(self._server.serving(self._listener))
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, socket_factory=small_socket))
        self._running = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self.stop()

    async def stop(self) -> None:
        """As the gateway stops."""
        if self._running:
            self._running = False
            self._server.stop()
            self.streams.send_away()
            await self._server.nobody_is_left()
            await self._serving.aclose()
            await self.streams.stop()

    def url(self, path: str = "/feed") -> str:
        """Of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def ask(self, headers: dict[str, str] | None = None, **parameters: Any) -> aiohttp.ClientResponse:
        """`GET /feed`; `start` stands for `from`."""
        if "start" in parameters:
            parameters["from"] = parameters.pop("start")
        query = {name: str(value) for name, value in parameters.items()}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=DEADLINE_S)
        return await self._http.get(self.url(), params=query, headers=headers, timeout=timeout)

    async def follow(self, headers: dict[str, str] | None = None, **parameters: Any) -> SseReader:
        """A stream."""
        response = await self.ask(headers, **parameters)
        assert response.status == 200, await response.text()
        return SseReader(response)
