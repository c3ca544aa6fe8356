"""One client's subscriptions: begun, caught up, kept alive, parked while it does not read, ended."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing

from event_schemas.decoding import NewerSchema
from event_schemas.feed import CaughtUp, FeedError, Heartbeat, Reset, Subscribe, Subscribed, Unsubscribe, Unsubscribed
from event_schemas.feed_codes import EARLIEST, LATEST, CloseCode, FeedCode, ResetReason
from infra.errors import LogUnreadable
from notifier.admission import Stall
from notifier.feed import Feed
from notifier.metrics import PARKS, REFUSED, RESETS, RESUMES, SLOW_CLOSES
from notifier.order_pages import pieces
from notifier.replay import go_live, is_in_memory, replay, replay_from_memory
from notifier.requests import Refused, read_request
from notifier.sink import ClientGone, ClientSink
from notifier.start_positions import StartNowhere, earliest
from notifier.subscription import Subscription

MAX_SUBSCRIPTIONS = 100
_BAD_FRAMES = 20
_NOT_THE_CLIENT_S_FAULT = {FeedCode.NOT_READY, FeedCode.SNAPSHOT_UNAVAILABLE}
_log = logging.getLogger(__name__)


class Session:
    """The subscriptions of one connection, whatever its transport.

    A transport makes one, `open`s it with its sink, hands each request to `answer` (or a Subscribe to `subscribe`, which raises
    Refused), says `paused` and `resumed` as `ClientSink` tells, and `close`s it when the connection is over.
    """

    __slots__ = ("_bad_frames", "_feed", "_replays", "_sink", "_stall", "_subscriptions", "over")

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._sink: ClientSink
        self._subscriptions: dict[str | None, Subscription] = {}
        self._replays: dict[Subscription, asyncio.Task[None]] = {}
        self._bad_frames = 0
        self._stall: Stall | None = None
        self.over = False

    def open(self, sink: ClientSink) -> None:
        """Begin: answers and events leave by this sink."""
        self._sink = sink
        self._feed.sessions.add(self)
        self._feed.beats.join(self)

    def close(self) -> None:
        """Leave nothing behind."""
        self.over = True
        self._feed.sessions.discard(self)
        self._feed.slow.pop(self, None)
        for subscription in list(self._subscriptions.values()):
            self._forget(subscription)

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client."""
        return self._sink.buffered

    def position(self) -> str:
        """A position from which no subscription misses anything."""
        ends = self._feed.live.ends
        positions = [subscription.position(ends) for subscription in self._subscriptions.values()]
        return self._feed.live.token({partition: min([end, *(one[partition] for one in positions)]) for partition, end in ends.items()})

    async def answer(self, message: str | bytes) -> None:
        """Do what a client's frame asks for, or say why not. Raises ClientGone."""
        try:
            match read_request(message):
                case Subscribe() as request:
                    await self.subscribe(request)
                case Unsubscribe(id=subscription_id):
                    self._unsubscribe(subscription_id)
        except Refused as refusal:
            REFUSED.labels(refusal.code).inc()
            self._send(refusal.frame())
            self._bad_frames += refusal.code not in _NOT_THE_CLIENT_S_FAULT
            if self._bad_frames >= _BAD_FRAMES:
                self._sink.end(CloseCode.BAD_FRAMES, {"code": "bad_frames"})

    def reset(self, reason: ResetReason) -> None:
        """End every subscription: another log has taken the place of the one before."""
        for subscription in list(self._subscriptions.values()):
            self._forget(subscription)
            self._send_reset(subscription.id, reason)

    async def subscribe(self, request: Subscribe) -> None:
        """Begin a subscription. Raises Refused when it can't be served, ClientGone."""
        if request.id in self._subscriptions:
            name = "without an id" if request.id is None else f"with the id {request.id}"
            raise Refused(FeedCode.SUBSCRIPTION_EXISTS, f"id: there is a subscription {name} already; give each its own", request.id)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            detail = f"a connection holds at most {MAX_SUBSCRIPTIONS} subscriptions: end one, or open another connection"
            raise Refused(FeedCode.TOO_MANY_SUBSCRIPTIONS, detail, request.id)
        if request.snapshot:
            await self._subscribe_with_snapshot(request)
        elif (start := await self._start_of(request)) is not None and not self.over:
            self._send(Subscribed(id=request.id, position=self._feed.live.token(start)))
            self._begin(request, start)

    async def _start_of(self, request: Subscribe) -> Mapping[int, int] | None:
        """The start; None when there is none and the client was told."""
        start = await self._feed.start_of(request)
        if not isinstance(start, StartNowhere):
            return start
        RESUMES.labels("reset").inc()
        self._send_reset(request.id, start.reason)
        return None

    async def _subscribe_with_snapshot(self, request: Subscribe) -> None:
        """Send the matching orders, then the records from where the first of them were read."""
        async with aclosing(self._feed.snapshots.pages(request)) as pages:
            async for page in pages:
                if request.snapshot:
                    request = request.model_copy(update={"start": page.position, "snapshot": False})
                    if await self._start_of(request) is None:
                        return
                    self._send(Subscribed(id=request.id, position=page.position))
                for piece in pieces(page, request.id):
                    self._sink.queue(piece)
                    self._sink.flush()
                    await self._sink.drained()
        # The log may have been replaced meanwhile: what a position means is decided in the step in which it is used.
        if (start := await self._start_of(request)) is not None and not self.over:
            self._begin(request, start)

    def _begin(self, request: Subscribe, start: Mapping[int, int]) -> None:
        """Register with the live end and note the watermark in one step; then replay up to it, if there is anything to replay."""
        live = self._feed.live
        subscription = Subscription(request.filter, start, live.ends, sink=self._sink, subscription_id=request.id)
        self._subscriptions[request.id] = subscription
        live.add(subscription)
        if request.start not in {LATEST, EARLIEST}:
            self._count_resume(subscription)
        self._go_on(subscription, first=True)

    def _count_resume(self, subscription: Subscription) -> None:
        RESUMES.labels("memory" if is_in_memory(subscription, self._feed.live) else "log").inc()

    def _go_on(self, subscription: Subscription, *, first: bool) -> None:
        """Bring the subscription to the live end: at once if little is missing and in memory, else by a task that ends there."""
        if self._stall is None and is_in_memory(subscription, self._feed.live):
            replay_from_memory(subscription, self._feed.live)
        if subscription.to_replay() or self._stall is not None:
            self._replays[subscription] = asyncio.get_running_loop().create_task(self._catch_up(subscription, first))
            self._replays[subscription].add_done_callback(self._replay_ended)
            return
        go_live(subscription)
        if first:
            self._caught_up(subscription)

    async def _catch_up(self, subscription: Subscription, first: bool) -> None:
        try:
            await replay(subscription, self._feed.live, self._feed.slices, self._sink)
        except NewerSchema as error:
            self._fail(subscription, FeedCode.NEWER_SCHEMA, str(error))
        except LogUnreadable as error:
            self._fail(subscription, FeedCode.LOG_BROKEN, str(error))
        except ClientGone:
            self._forget(subscription)
        else:
            if first:
                self._caught_up(subscription)
        finally:
            self._replays.pop(subscription, None)

    def _replay_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a replay failed", exc_info=error)
            self._sink.end(CloseCode.INTERNAL, {"code": "internal"})

    def paused(self) -> None:
        """Park what is live, because more waits for the client than may. Only positions are kept, and nothing more is sent."""
        if self._stall is not None or self.over:
            return
        live = self._feed.live
        self._stall = Stall(asyncio.get_running_loop().time(), self._sink.buffered)
        self._feed.slow[self] = None
        for subscription in self._subscriptions.values():
            if subscription.live:
                live.remove(subscription)
                subscription.park(live.ends)
                PARKS.inc()

    def resumed(self) -> None:
        """Let parked subscriptions go on from where they were: the client has taken most of what waited."""
        self._stall = None
        self._feed.slow.pop(self, None)
        live = self._feed.live
        for subscription in list(self._subscriptions.values()):
            if not subscription.live and subscription not in self._replays and not self.over:
                subscription.resume(live.ends)
                live.add(subscription)
                self._count_resume(subscription)
                self._go_on(subscription, first=False)

    def end_if_stalled(self) -> None:
        """End a client that has taken next to nothing for a while; its last position goes with the reason."""
        if self._stall is not None:
            self._stall = self._stall.look(asyncio.get_running_loop().time(), self._sink.buffered)
            if self._stall.hopeless:
                SLOW_CLOSES.inc()
                _log.info("ending a client that does not read")
                self._sink.end(CloseCode.SLOW, {"code": "slow", "position": self.position()})

    def beat(self) -> None:
        """Tell each subscription's position, also when nothing has matched."""
        if self._stall is not None:
            return
        live = self._feed.live
        for subscription in self._subscriptions.values():
            position = live.end_token() if subscription.live else live.token(subscription.position(live.ends))
            self._sink.queue(Heartbeat(id=subscription.id, position=position).encoded())
        self._sink.flush()

    def _caught_up(self, subscription: Subscription) -> None:
        self._send(CaughtUp(id=subscription.id, position=self._feed.live.end_token()))

    def _fail(self, subscription: Subscription, code: FeedCode, detail: str) -> None:
        _log.error("a subscription can't go on: %s", detail)
        self._forget(subscription)
        self._send(FeedError(id=subscription.id, code=code, detail=detail))

    def _unsubscribe(self, subscription_id: str | None) -> None:
        subscription = self._subscriptions.get(subscription_id)
        if subscription is None:
            raise Refused(FeedCode.SUBSCRIPTION_UNKNOWN, "id: there is no such subscription", subscription_id)
        self._forget(subscription)
        self._send(Unsubscribed(id=subscription_id))

    def _send(self, frame: Subscribed | CaughtUp | Reset | Unsubscribed | FeedError) -> None:
        self._sink.queue(frame.encoded())
        self._sink.flush()

    def _send_reset(self, subscription_id: str | None, reason: ResetReason) -> None:
        RESETS.labels(reason).inc()
        self._send(Reset(id=subscription_id, reason=reason, position=earliest(self._feed.log.identity)))

    def _forget(self, subscription: Subscription) -> None:
        self._feed.live.remove(subscription)
        self._subscriptions.pop(subscription.id, None)
        task = self._replays.pop(subscription, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
