"""What every load on the feed stands on: an empty log that only the bench writes, one notifier, and clients."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from event_schemas.events import Record
from event_schemas.topics import COMMANDS, EVENTS
from tools.bench.feed_load.clients import FeedClient, FeedClients
from tools.bench.feed_load.events import FeedLog, age_ms, event, feed_log
from tools.bench.open_files import allow_open_files
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers
from tools.bench.timings import percentile

_FIRST_EVENTS = 200
_TICK_S = 0.005


@dataclass
class FeedStage:
    """One notifier on a log. Clients are opened with `connected`."""

    log: FeedLog
    notifier: BenchProcess
    ages_ms: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def connected(
        self, first_frames: list[bytes], *, timeout_s: float = 120.0, receive_bytes: int | None = None
    ) -> AsyncIterator[FeedClients]:
        """Clients that are all caught up; the age of each event that they get is noted in `ages_ms`.

        `receive_bytes`: of the kernel's buffer of each, by default what the system gives.
        """
        allow_open_files(len(first_frames) + 500)
        clients = FeedClients(self.notifier.feed_port, first_frames, receive_bytes=receive_bytes)
        clients.on_event = self._note
        try:
            await asyncio.to_thread(clients.connect, timeout_s)
            yield clients
        finally:
            clients.close()

    def _note(self, _: FeedClient, payload: bytes) -> None:
        self.ages_ms.append(age_ms(payload))

    def p99_ms(self) -> float:
        """Of the ages noted so far, which are then forgotten."""
        ages, self.ages_ms = self.ages_ms, []
        return percentile(ages, 0.99)

    async def append_steadily(self, rate: float, seconds: float, make: Callable[[int, int], Record]) -> int:
        """Append `rate` events a second, some every 5 ms, each made by `make(number, due_ns)`; how many."""
        begin, number = time.monotonic_ns(), 0
        while (passed := (time.monotonic_ns() - begin) / 1e9) < seconds:
            due = int(passed * rate)
            if due > number:
                await self.log.append(make(one, begin + int(1e9 * one / rate)) for one in range(number, due))
                number = due
            await asyncio.sleep(_TICK_S)
        return number


@asynccontextmanager
async def feed_stage(servers: Servers, **variables: str) -> AsyncIterator[FeedStage]:
    """An empty log with a few events on each partition, and a notifier that follows it."""
    await servers.new_topics(COMMANDS, EVENTS)
    async with feed_log(servers.settings) as log:
        await log.append(first_events())
        async with servers.process("notifier", **variables) as notifier:
            yield FeedStage(log, notifier)


def first_events() -> Iterable[Record]:
    """So many that every partition has begun."""
    return (event("bench-nobody") for _ in range(_FIRST_EVENTS))
