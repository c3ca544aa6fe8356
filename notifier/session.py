"""One client's subscriptions: begun, caught up, kept alive, ended."""

import asyncio
import logging
from collections.abc import Mapping

from event_schemas.codec import NewerSchema
from event_schemas.feed import (
    CaughtUp,
    CloseCode,
    FeedCode,
    FeedError,
    Heartbeat,
    Reset,
    ResetReason,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from infra.log_reader import BrokenLog
from notifier.feed import Feed
from notifier.metrics import REFUSED, RESETS
from notifier.outbox import ClientGone, ClientOutbox
from notifier.replay import replay
from notifier.requests import Refused, read_request
from notifier.starts import StartNowhere, earliest
from notifier.subscription import Subscription

MAX_SUBSCRIPTIONS = 100
_BAD_FRAMES = 20
_log = logging.getLogger(__name__)


class Session:
    """The subscriptions of one connection. `close` it when the connection is over."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._outbox: ClientOutbox
        self._subscriptions: dict[str | None, Subscription] = {}
        self._replays: dict[Subscription, asyncio.Task[None]] = {}
        self._bad_frames = 0
        self._loop = asyncio.get_running_loop()

    def open(self, outbox: ClientOutbox) -> None:
        """Begin: answers and events leave by this outbox."""
        self._outbox = outbox
        self._heartbeat = self._loop.call_later(self._feed.heartbeat_s, self._beat)

    def close(self) -> None:
        """Leave nothing behind."""
        self._heartbeat.cancel()
        for subscription in list(self._subscriptions.values()):
            self._forget(subscription)

    def position(self) -> str:
        """A position from which no subscription misses anything."""
        ends = self._feed.log.ends
        positions = [subscription.position(ends) for subscription in self._subscriptions.values()]
        return self._feed.live.token({partition: min([end, *(one[partition] for one in positions)]) for partition, end in ends.items()})

    async def answer(self, message: str | bytes) -> None:
        """Do what a client's frame asks for, or say why not."""
        try:
            match read_request(message):
                case Subscribe() as request:
                    await self._subscribe(request)
                case Unsubscribe(id=subscription_id):
                    self._unsubscribe(subscription_id)
        except Refused as refusal:
            REFUSED.labels(refusal.code).inc()
            self._send(refusal.frame())
            self._bad_frames += 1
            if self._bad_frames >= _BAD_FRAMES:
                self._outbox.end(CloseCode.BAD_FRAMES, {"code": "bad_frames"})

    def reset(self, reason: ResetReason) -> None:
        """The log is another one than before: every subscription ends."""
        for subscription in list(self._subscriptions.values()):
            self._forget(subscription)
            self._send_reset(subscription.id, reason)

    async def _subscribe(self, request: Subscribe) -> None:
        if request.id in self._subscriptions:
            name = "without an id" if request.id is None else f"with the id {request.id}"
            raise Refused(FeedCode.SUBSCRIPTION_EXISTS, f"id: there is a subscription {name} already; give each its own", request.id)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            detail = f"a connection holds at most {MAX_SUBSCRIPTIONS} subscriptions: end one, or open another connection"
            raise Refused(FeedCode.TOO_MANY_SUBSCRIPTIONS, detail, request.id)
        start = await self._feed.start_of(request)
        if isinstance(start, StartNowhere):
            self._send_reset(request.id, start.reason)
        elif self._outbox.open:
            self._begin(request, start)

    def _begin(self, request: Subscribe, start: Mapping[int, int]) -> None:
        """Register with the live end and note the watermark in one step; then replay up to it, if there is anything to replay."""
        log, live = self._feed.log, self._feed.live
        subscription = Subscription(request.filter, start, log.ends, outbox=self._outbox, subscription_id=request.id)
        self._subscriptions[request.id] = subscription
        live.add(subscription)
        self._send(Subscribed(id=request.id, position=live.token(start)))
        if subscription.to_replay():
            self._replays[subscription] = self._loop.create_task(self._catch_up(subscription))
        else:
            subscription.go_live()
            self._caught_up(subscription)

    async def _catch_up(self, subscription: Subscription) -> None:
        try:
            await replay(subscription, self._feed.live, self._feed.slices, self._outbox.drained)
        except NewerSchema as error:
            self._fail(subscription, FeedCode.NEWER_SCHEMA, str(error))
        except BrokenLog as error:
            self._fail(subscription, FeedCode.LOG_BROKEN, str(error))
        except ClientGone:
            self._forget(subscription)
        else:
            self._caught_up(subscription)
        finally:
            self._replays.pop(subscription, None)

    def _caught_up(self, subscription: Subscription) -> None:
        self._send(CaughtUp(id=subscription.id, position=self._feed.live.token(self._feed.log.ends)))

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

    def _beat(self) -> None:
        self._heartbeat = self._loop.call_later(self._feed.heartbeat_s, self._beat)
        for subscription in self._subscriptions.values():
            position = self._feed.live.token(subscription.position(self._feed.log.ends))
            self._outbox.queue(Heartbeat(id=subscription.id, position=position).encoded())
        self._outbox.flush()

    def _send(self, frame: Subscribed | CaughtUp | Reset | Unsubscribed | FeedError) -> None:
        self._outbox.queue(frame.encoded())
        self._outbox.flush()

    def _send_reset(self, subscription_id: str | None, reason: ResetReason) -> None:
        RESETS.labels(reason).inc()
        self._send(Reset(id=subscription_id, reason=reason, position=earliest(self._feed.log.identity)))

    def _forget(self, subscription: Subscription) -> None:
        self._feed.live.remove(subscription)
        self._subscriptions.pop(subscription.id, None)
        task = self._replays.pop(subscription, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
