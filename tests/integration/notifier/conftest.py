"""A feed of its own for each test: a log, a tail, a server on a free port, and clients that remember every frame."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from event_schemas.feed_codes import SUBPROTOCOL
from infra.event_log.tail import LogTail
from infra.process.health import Health
from infra.process.settings import Settings
from notifier.admission import Limits
from notifier.websocket.server import FeedServer
from tests.support.records import TestLog

DEADLINE_S = 15.0


def settings_for(kafka: str, **more: Any) -> Settings:
    """Settings of a test's own."""
    return Settings(KAFKA_BOOTSTRAP_SERVERS=kafka, ORDERS_FEED_HEARTBEAT=more.pop("heartbeat_s", 3600), **more)


async def until(true: Callable[[], bool]) -> None:
    """Return when it is true. Raises TimeoutError after 15 s."""
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.02)


@dataclass
class FeedClient:
    """A client that remembers every frame."""

    connection: ClientConnection
    frames: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, **frame: Any) -> None:
        """Send a frame; `start` stands for `from`."""
        if "start" in frame:
            frame["from"] = frame.pop("start")
        await self.connection.send(json.dumps(frame))

    async def subscribe(self, start: str = "latest", subscription_id: str | None = None, **wanted: Any) -> None:
        """Subscribe and wait for `subscribed`."""
        named = {} if subscription_id is None else {"id": subscription_id}
        await self.say(type="subscribe", start=start, filter={name: str(value) for name, value in wanted.items()}, **named)
        await self.until("subscribed", subscription_id)

    async def next(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(DEADLINE_S):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        self.frames.append(frame)
        return frame

    async def until(self, kind: str, subscription_id: str | None = None) -> dict[str, Any]:
        """The next frame of this kind."""
        while True:
            frame = await self.next()
            if frame["type"] == kind and frame.get("id") == subscription_id:
                return frame

    async def events_until(self, count: int) -> list[dict[str, Any]]:
        """Read until so many events have come; all of them."""
        missing = count - len(self.events())
        while missing > 0:
            missing -= (await self.next())["type"] == "event"
        return self.events()

    def events(self, subscription_id: str | None = None) -> list[dict[str, Any]]:
        """The event frames so far."""
        return [frame for frame in self.frames if frame["type"] == "event" and frame.get("id") == subscription_id]

    async def closed(self) -> tuple[int | None, str | None]:
        """Read to the end of the connection: the close code and reason."""
        try:
            while True:
                await self.next()
        except ConnectionClosed:
            return self.connection.close_code, self.connection.close_reason


@dataclass
class RunningFeed:
    """A feed and what it reads."""

    settings: Settings
    log: TestLog
    tail: LogTail
    health: Health
    server: FeedServer
    port: int
    stack: AsyncExitStack

    @property
    def url(self) -> str:
        """Of the feed."""
        return f"ws://127.0.0.1:{self.port}/feed"

    async def client(self, **arguments: Any) -> FeedClient:
        """A new connection."""
        uri = arguments.pop("uri", self.url)
        # With a bound on what is unread, a close would wait 10 s for an answer that stands behind it.
        arguments = {"subprotocols": [Subprotocol(SUBPROTOCOL)], "compression": None, "max_queue": None, **arguments}
        return FeedClient(await self.stack.enter_async_context(connect(uri, **arguments)))


StartFeed = Callable[..., Any]


@pytest.fixture
async def start_feed(kafka_servers: str) -> AsyncIterator[StartFeed]:
    """Start a feed on a log of its own (or on `log`)."""
    async with AsyncExitStack() as stack:

        async def start(*, kafka: str = kafka_servers, log: TestLog | None = None, partitions: int = 3, **more: Any) -> RunningFeed:
            limits = Limits(**{name: more.pop(name) for name in list(more) if name in Limits.__dataclass_fields__})
            settings = settings_for(kafka, **more)
            if log is None:
                log = await TestLog.create(settings, partitions=partitions)
                stack.push_async_callback(log.close)
            health = Health("notifier")
            tail = LogTail(settings, "test-notifier", health=health, topic=log.topic)
            stack.push_async_callback(tail.stop)
            server = FeedServer(settings, tail, topic=log.topic, limits=limits)
            stack.push_async_callback(server.stop)
            await tail.start()
            return RunningFeed(settings, log, tail, health, server, await server.start(0), stack)

        yield start


@pytest.fixture
async def feed(start_feed: StartFeed) -> RunningFeed:
    """A feed on an empty log of three partitions."""
    running: RunningFeed = await start_feed()
    return running
