"""feed: frames a second to many clients, beside a loop that writes a ready frame to as many sockets."""

import asyncio
from contextlib import AsyncExitStack

from event_schemas.topics import COMMANDS, EVENTS
from infra.process.tuning import allow_many_files
from notifier.websocket.connection import text_frame
from tools.bench.feed_load.clients import FeedClients, subscribe
from tools.bench.feed_load.stage import bare_feed, event, feed_log
from tools.bench.measuring import Metric, Sample
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers

_WITHIN_S = 120.0
_HEARTBEAT_NEVER = {"ORDERS_FEED_HEARTBEAT": "3600"}


class Feed:
    """`events` events to `clients` clients that want them all."""

    name = "feed"
    floor_is = "a bare loop that writes the same ready frame to as many sockets, event by event"
    metrics = (
        Metric("frames/s", "frames/s", wanted=0.8),
        Metric("CPU µs a frame", "µs", more_is_better=False),
    )

    def __init__(self, servers: Servers, *, clients: int, events: int) -> None:
        self.what = f"event frames to {clients:,} websocket clients of one notifier, from the first to the last"
        self._servers, self._count, self._events = servers, clients, events
        self._notifier = servers.process("notifier", **_HEARTBEAT_NEVER)
        self._opened = AsyncExitStack()
        self._clients = FeedClients(self._notifier.feed_port, [subscribe()] * clients)

    async def enter(self) -> None:
        """Start the notifier and the floor, and connect all clients."""
        allow_many_files(2 * self._count + 200)
        await self._servers.new_topics(COMMANDS, EVENTS)
        self._log = await self._opened.enter_async_context(feed_log(self._servers.settings))
        await self._log.append(event("bench-0") for _ in range(100))
        await self._opened.enter_async_context(self._notifier)
        self._opened.callback(self._clients.close)
        await asyncio.to_thread(self._clients.connect)
        self._bare = await self._opened.enter_async_context(bare_feed(self._servers, self._count))
        await self.measured()

    async def measured(self) -> Sample:
        """Send events through the log."""
        self._clients.expect()
        used = self._notifier.cpu_s()
        await self._log.append(event(f"bench-{number}") for number in range(self._events))
        return await self._received(self._clients, self._notifier, used)

    async def floor(self) -> Sample:
        """Write as many frames of the same size."""
        frame = text_frame(self._clients.clients[0].last_event)
        self._bare.clients.expect()
        used = self._bare.process.cpu_s()
        self._bare.write(frame, events=self._events)
        return await self._received(self._bare.clients, self._bare.process, used)

    async def leave(self) -> None:
        """End the notifier and the floor."""
        await self._opened.aclose()

    async def _received(self, clients: FeedClients, process: BenchProcess, used: float) -> Sample:
        wanted = self._count * self._events
        ended = await asyncio.to_thread(clients.receive_until, lambda: clients.events >= wanted or clients.closed > 0, _WITHIN_S)
        if clients.closed:
            raise RuntimeError(f"{clients.closed} clients were ended")
        seconds = max(1e-6, ended - clients.first_at)
        await asyncio.sleep(0.05)  # the CPU clock ticks every 10 ms
        return {"frames/s": wanted / seconds, "CPU µs a frame": 1e6 * (process.cpu_s() - used) / wanted, "memory MiB": process.memory_mib()}
