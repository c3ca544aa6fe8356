"""Waiting until the read models hold a position: one poller for all waiting requests, and none while nothing waits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import psycopg
from prometheus_client import Gauge

from projections.queries.read_snapshot import Rebuilding

POLL_S = 0.01
_waiting = Gauge("orders_reads_waiting", "Reads that wait until the read models hold a position")
_log = logging.getLogger(__name__)


class CheckpointWatch:
    """Wakes waiting requests. A wait that ends, in whatever way, leaves nothing behind."""

    def __init__(self, next_offsets: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        self._next_offsets = next_offsets
        self._waiters: dict[asyncio.Future[None], Mapping[int, int]] = {}
        self._poller: asyncio.Task[None] | None = None

    async def wait(self, next_offsets: Mapping[int, int], timeout_s: float) -> None:
        """Return when the checkpoints hold these offsets, when they can't be read, or when the time is up. The caller looks again then."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = next_offsets
        _waiting.inc()
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="checkpoint watch")
        try:
            await asyncio.wait({waiter}, timeout=timeout_s)
        finally:
            del self._waiters[waiter]
            _waiting.dec()

    async def stop(self) -> None:
        """End the poller and let all waiting requests look again."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait({self._poller})
        self._wake(lambda _: True)

    async def _poll(self) -> None:
        while self._waiters:
            try:
                reached = await self._next_offsets()
            except (psycopg.Error, Rebuilding) as error:
                _log.debug("checkpoints can't be read: %s", type(error).__name__)
                self._wake(lambda _: True)
            else:
                self._wake(lambda wanted: all(reached.get(partition, 0) >= offset for partition, offset in wanted.items()))  # noqa: B023 - called at once
            await asyncio.sleep(POLL_S)

    def _wake(self, due: Callable[[Mapping[int, int]], bool]) -> None:
        for waiter, wanted in self._waiters.items():
            if not waiter.done() and due(wanted):
                waiter.set_result(None)
