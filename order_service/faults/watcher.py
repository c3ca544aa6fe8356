"""Watchers of the feed: they reconnect, to any notifier, with their last position, and hold what the client's rule lets them hold."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from order_service.faults.feed_memory import FeedMemory

_CONNECT_S = 10.0
_PAUSE_S = 0.5


class Watcher:
    """One client of the feed. `restless_s`: it hangs up by itself about that often, in the middle of whatever comes."""

    def __init__(
        self, name: str, feeds: Sequence[str], *, seed: int, wanted: dict[str, str], start: str, restless_s: float | None = None
    ) -> None:
        self.name = name
        self.wanted = wanted
        self.memory = FeedMemory()
        self._feeds = list(feeds)
        self._start = start
        self._restless_s = restless_s
        self._random = random.Random(f"watcher {name} {seed}")  # noqa: S311 reproducible on purpose

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    connection = await connect(
                        self._random.choice(self._feeds), subprotocols=[Subprotocol("orders.v1.json")], max_size=None, compression=None
                    )
                async with connection:
                    await self._watch(connection)
            except (OSError, TimeoutError, WebSocketException):
                await asyncio.sleep(self._random.uniform(0.5, 1.5) * _PAUSE_S)

    async def _watch(self, connection: ClientConnection) -> None:
        start = self.memory.position or self._start
        self.memory.begin()
        await connection.send(orjson.dumps({"type": "subscribe", "filter": self.wanted, "from": start}).decode())
        until = None if self._restless_s is None else self._random.uniform(0.5, 1.5) * self._restless_s
        try:
            async with asyncio.timeout(until):
                async for text in connection:
                    self.memory.take(_frame(text))
        except TimeoutError:
            return


def _frame(text: str | bytes) -> dict[str, Any]:
    frame: dict[str, Any] = orjson.loads(text)
    return frame
