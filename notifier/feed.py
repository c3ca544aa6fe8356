"""What all clients of the feed share, whatever their transport: the log's live end, its last records, replays, and the clock."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from event_schemas.feed import Subscribe
from event_schemas.feed_codes import FeedCode, ResetReason
from event_schemas.topics import EVENTS
from infra.errors import BrokerAway
from infra.event_log.tail import LogTail
from infra.process.settings import Settings
from notifier.live_end import LiveEnd
from notifier.log_slices import LogSlices
from notifier.metrics import BUFFERED
from notifier.order_pages import Snapshots
from notifier.requests import Refused
from notifier.ring import Ring
from notifier.start_positions import StartAhead, StartAt, StartNowhere, start_of
from notifier.timer_wheel import TimerWheel
from notifier.warm_up import warm_up

_AHEAD_S = 10.0
_LOOK_S = 1.0


class FeedClient(Protocol):
    """What the feed asks of a client's session; `Session` is one."""

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client."""
        ...

    def beat(self) -> None:
        """Send a heartbeat."""
        ...

    def reset(self, reason: ResetReason) -> None:
        """End every subscription, with this reason."""
        ...

    def end_if_stalled(self) -> None:
        """End the client if it reads next to nothing."""
        ...


class Feed:
    """One per process and log tail; `start` it when the tail has started, and make a `Session` for each client.

    Every instance sees all partitions and hands out the same positions, so a client may go on at any instance and by any transport.
    """

    def __init__(self, settings: Settings, log: LogTail, *, topic: str = EVENTS) -> None:
        self.log = log
        self.live = LiveEnd(log, Ring(settings.feed_ring_mib * 1024 * 1024))
        self.slices = LogSlices(settings, topic)
        self.snapshots = Snapshots(settings.orders_url)
        self.sessions: set[FeedClient] = set()
        self.slow: dict[FeedClient, None] = {}
        """Sessions whose clients read too slowly."""
        self._heartbeat_s = settings.feed_heartbeat_s
        self._looks: asyncio.TimerHandle | None = None
        self._unsubscribe = log.subscribe(self.live.delivered)
        log.on_replaced(self._replaced)

    async def start(self) -> None:
        """Begin. Reads the latest records into memory, so that clients that come from another instance need no broker either."""
        self.beats = TimerWheel(self._heartbeat_s, lambda session: session.beat())
        self._looks = asyncio.get_running_loop().call_later(_LOOK_S, self._look)
        await warm_up(self.live, self.log, self.slices)

    async def stop(self) -> None:
        """Stop, started or not. Close the sessions first."""
        self._unsubscribe()
        if self._looks is not None:
            self._looks.cancel()
            self.beats.stop()
        await self.snapshots.close()
        await self.slices.close()

    async def start_of(self, request: Subscribe) -> Mapping[int, int] | StartNowhere:
        """Where the subscription starts, decided in the same step in which this returns.

        A position ahead of what this process has seen (another instance gave it out, or the answer to a write) is waited for.
        Raises Refused when the text is no position, or can't be judged now.
        """
        start = start_of(request, self.log.identity, self.log.ends)
        if isinstance(start, StartAhead):
            if not await self._exists(request, start.next_offsets):
                return StartNowhere(ResetReason.BEYOND_THE_END)
            if not await self.log.wait_until(start.next_offsets, _AHEAD_S):
                raise _not_ready(request)
            start = start_of(request, self.log.identity, self.log.ends)
        match start:
            case StartAt(next_offsets):
                return next_offsets
            case StartAhead():
                return StartNowhere(ResetReason.LOG_REPLACED)
            case StartNowhere():
                return start

    async def _exists(self, request: Subscribe, next_offsets: Mapping[int, int]) -> bool:
        try:
            ends = await self.slices.ends()
        except BrokerAway as error:
            raise _not_ready(request) from error
        return all(offset <= ends.get(partition, 0) for partition, offset in next_offsets.items())

    def _replaced(self) -> None:
        self.live.begin()
        for session in list(self.sessions):
            session.reset(ResetReason.LOG_REPLACED)

    def _look(self) -> None:
        self._looks = asyncio.get_running_loop().call_later(_LOOK_S, self._look)
        BUFFERED.set(sum(session.buffered for session in self.slow))
        for session in list(self.slow):
            session.end_if_stalled()


def _not_ready(request: Subscribe) -> Refused:
    return Refused(FeedCode.NOT_READY, "the log can't be read up to this position now: subscribe again in a few seconds", request.id)
