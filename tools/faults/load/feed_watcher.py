"""Watchers of the feed: they reconnect, to any notifier, with their last position, and hold what the client's rule lets them hold."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tools.faults.checks.feed import FeedMemory

_CONNECT_S = 10.0
_PAUSE_S = 0.5
Filter = Mapping[str, str]


@dataclass(frozen=True)
class Habit:
    """How a client watches. `wanted`: the filter, asked for once; None: not known yet.

    `begins_s`: joins so long after the load began. `restless_s`: hangs up by itself about that often, whatever comes.
    """

    name: str
    wanted: Callable[[], Filter | None] = dict
    start: str = "earliest"
    begins_s: float = 0.0
    restless_s: float | None = None


class FeedWatcher:
    """One client of the feed."""

    def __init__(self, habit: Habit, feeds: Sequence[str], *, seed: int) -> None:
        self.name = habit.name
        self.wanted: Filter | None = None
        self.memory = FeedMemory()
        self._habit = habit
        self._feeds = list(feeds)
        self._random = random.Random(f"{habit.name} {seed}")  # noqa: S311 reproducible on purpose

    async def run(self) -> None:
        """Watch until cancelled."""
        await asyncio.sleep(self._habit.begins_s)
        while (wanted := self._habit.wanted()) is None:  # noqa: ASYNC110 - others make it known
            await asyncio.sleep(_PAUSE_S)
        self.wanted = wanted
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    feed = self._random.choice(self._feeds)
                    connection = await connect(feed, subprotocols=[Subprotocol("orders.v1.json")], max_size=None, compression=None)
                async with connection:
                    await self._watch(connection, wanted)
            except (OSError, TimeoutError, WebSocketException):
                await asyncio.sleep(self._random.uniform(0.5, 1.5) * _PAUSE_S)

    async def _watch(self, connection: ClientConnection, wanted: Filter) -> None:
        start = self.memory.position or self._habit.start
        self.memory.begin()
        await connection.send(orjson.dumps({"type": "subscribe", "filter": wanted, "from": start}).decode())
        habit_s = self._habit.restless_s
        try:
            async with asyncio.timeout(None if habit_s is None else self._random.uniform(0.5, 1.5) * habit_s):
                async for text in connection:
                    self.memory.take(_frame(text))
        except TimeoutError:
            return


def _frame(text: str | bytes) -> dict[str, Any]:
    frame: dict[str, Any] = orjson.loads(text)
    return frame


def audience(feeds: Sequence[str], *, seed: int, seconds: float, an_order: Callable[[], str | None]) -> list[FeedWatcher]:
    """The watchers of a run of so many seconds. `an_order`: an order that is being worked on, None while there is none."""

    def of_an_order() -> Filter | None:
        order_id = an_order()
        return None if order_id is None else {"order_id": order_id}

    habits = (
        Habit("watcher of everything"),
        Habit("watcher from now on", start="latest"),
        Habit("restless watcher of everything", restless_s=7.0),
        Habit("restless watcher of a customer", restless_s=11.0, wanted=lambda: {"customer_id": "customer-3"}),
        Habit("restless watcher of an order", restless_s=5.0, begins_s=seconds * 0.3, wanted=of_an_order),
        Habit("late watcher of everything", begins_s=seconds * 0.7),
    )
    return [FeedWatcher(habit, feeds, seed=seed) for habit in habits]
