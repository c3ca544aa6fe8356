"""The feed over HTTP beside the one over websockets, on the same log; and a reader of its streams that remembers every event."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson
import uvicorn

from infra.health import Health
from notifier.feed import Feed
from notifier.sse import SseStreams
from notifier.sse_api import create_feed_router
from order_service.gateway import create_app
from order_service.gateway_feed_demo import create_feed_demo_router
from order_service.gateway_protocol import GatewayProtocol
from tests.integration.notifier.conftest import DEADLINE_S, RunningFeed, until
from tests.support.service_process import free_port


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
        return [event.data["event"] for event in self.events if event.name == "event"]

    async def to_the_end(self) -> None:
        """Read on until the stream ends."""
        while await self.next() is not None:
            pass


class SseSite:
    """A gateway with nothing but the feed and its demo page."""

    def __init__(self, feed: RunningFeed, *, port: int | None = None, websockets_at: int | None = None) -> None:
        self.port = port or free_port()
        self.streams = SseStreams(feed.settings, Feed(feed.settings, feed.tail, topic=feed.log.topic))
        routers = [create_feed_router(self.streams), create_feed_demo_router(websockets_at or feed.port)]
        app = create_app(Health("gateway"), routers)
        config = uvicorn.Config(app, port=self.port, http=GatewayProtocol, log_config=None, lifespan="off", ws="none")
        config.timeout_graceful_shutdown = 2
        self._server = uvicorn.Server(config)
        self._running = False

    async def __aenter__(self) -> Self:
        await self.streams.start()
        self._task = asyncio.create_task(self._server.serve())
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), read_bufsize=1024 * 1024)
        await until(lambda: self._server.started)
        self._running = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self.stop()

    async def stop(self) -> None:
        """As the gateway stops."""
        if self._running:
            self._running = False
            self._server.should_exit = True
            self.streams.send_away()
            await self._task
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
