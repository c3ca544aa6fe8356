"""The feed's second transport: server-sent events, for clients that can't open a websocket. One subscription a request, the same hub."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from event_schemas.codes import Code
from event_schemas.feed import Subscribe
from event_schemas.feed_codes import CloseCode, FeedCode
from infra.http.disconnects import watching
from infra.http.problems import Problem
from infra.process.settings import Settings
from notifier.admission import Admission, allowed_origins, may_open
from notifier.feed import Feed
from notifier.metrics import CLOSES, CONNECTIONS, REFUSED, REFUSED_CONNECTIONS
from notifier.requests import Refused
from notifier.session import Session
from notifier.sink import ClientGone
from notifier.sse.sink import SseFrames, SseSink

ABORT = "orders.abort"
"""The ASGI extension by which a server lets a response cut its connection off: `{"abort": callable}`."""
_RETRY_MS = (1_000, 5_000)
"""Milliseconds. Browsers wait exactly as long as they are told, so each is told another time."""
_LEAST_SPREAD_MS = 500
_NOT_READY_S = "2"
_log = logging.getLogger(__name__)
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class SseStreams:
    """The streams of one process. `start` when the log tail has started, `send_away` before the server stops, `stop` after."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        self._settings, self._feed = settings, feed
        self._origins = allowed_origins(settings.feed_origins)
        self._admission = Admission(settings.feed_admission, time.monotonic(), random.random)
        self._streams: set[SseStream] = set()
        self._open = False

    def __len__(self) -> int:
        return len(self._streams)

    def open_streams(self) -> "list[SseStream]":
        """All streams under way."""
        return list(self._streams)

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all streams."""
        return len(self._feed.live)

    async def start(self) -> None:
        """Let clients in."""
        await self._feed.start()
        self._open = True

    def send_away(self) -> None:
        """Let no client in any more. End every stream with a hint when to come back, over as long as another instance needs for them."""
        self._open = False
        spread_ms = max(_LEAST_SPREAD_MS, 1000 * len(self._streams) / self._settings.feed_admission)
        for stream in self.open_streams():
            retry_after_ms = int(random.uniform(0, spread_ms))  # noqa: S311 no secret
            stream.sink.end(CloseCode.GOING_AWAY, {"code": "going_away", "retry_after_ms": retry_after_ms})

    async def stop(self) -> None:
        """End what was started."""
        self.send_away()
        await self._feed.stop()

    def allowed(self, origin: str | None, host: str | None) -> Mapping[str, str]:
        """The headers that let a page of this origin read the answer. Raises Problem `origin_refused` when it may not."""
        if origin is None:
            return {}
        if not may_open(origin, host, self._origins):
            REFUSED_CONNECTIONS.labels("origin").inc()
            raise Problem(Code.ORIGIN_REFUSED, f"pages of {origin} may not open the feed: allow it with ORDERS_FEED_ORIGINS")
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    async def subscribe(self, request: Subscribe, scope: Scope) -> "SseStream":
        """Begin a stream. Raises Problem when it can't be served; then nothing is left of it."""
        self._admit()
        session = Session(self._feed)
        sink = SseSink(SseFrames(snapshot=request.snapshot), session, retry_ms=_retry_ms, abort=_abort_of(scope))
        session.open(sink)
        stream = SseStream(session, sink, self._streams)
        try:
            await stream.begin(request)
        except Refused as refusal:
            stream.close()
            raise _problem(refusal) from refusal
        except BaseException:
            stream.close()
            raise
        return stream

    def _admit(self) -> None:
        if not self._open:
            raise Problem(Code.NOT_READY, "the end of the log has not been found yet: is Kafka running?", headers=_after(_NOT_READY_S))
        if len(self._streams) >= self._settings.feed_max_connections:
            REFUSED_CONNECTIONS.labels("full").inc()
            detail = "this instance streams to as many clients as it may (ORDERS_FEED_MAX_CONNECTIONS)"
            raise Problem(Code.FEED_FULL, detail, headers=_after(random.randint(5, 15)))  # noqa: S311 no secret
        if (retry_after_s := self._admission.admit(time.monotonic())) is not None:
            REFUSED_CONNECTIONS.labels("rate").inc()
            raise Problem(Code.FEED_FULL, "too many connect at once: come again", headers=_after(retry_after_s))


class SseStream(Response):
    """One client's stream, written past Starlette: what waits leaves in one piece, and the next one is asked for when it has."""

    media_type = "text/event-stream"

    def __init__(self, session: Session, sink: SseSink, streams: "set[SseStream]") -> None:
        self.session, self.sink, self._streams = session, sink, streams
        self.status_code, self.background = 200, None
        self.init_headers(_HEADERS)
        self._beginning: asyncio.Task[None] | None = None
        self._streams.add(self)
        CONNECTIONS.inc()

    async def begin(self, request: Subscribe) -> None:
        """Subscribe; returns when the stream can begin. Raises Refused. A snapshot comes as the client reads it."""
        self._beginning = asyncio.create_task(self._subscribe(request), name="subscribe a stream")
        self._beginning.add_done_callback(self._subscribed)
        begun = asyncio.create_task(self.sink.begun.wait())
        try:
            await asyncio.wait({self._beginning, begun}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
        if self._beginning.done() and not self._beginning.cancelled():
            self._beginning.result()

    async def _subscribe(self, request: Subscribe) -> None:
        try:
            with suppress(ClientGone):
                await self.session.subscribe(request)
        except Refused as refusal:
            REFUSED.labels(refusal.code).inc()
            if not self.sink.begun.is_set():
                raise
            self.sink.queue(refusal.frame().encoded())
            self.sink.flush()

    def _subscribed(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Refused):
            _log.error("a stream could not be served", exc_info=error)
            self.sink.end(CloseCode.INTERNAL, {"code": "internal"})

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client has gone or the feed has ended it."""
        try:
            async with watching(receive) as gone:
                gone.add_done_callback(lambda _: self.sink.gone())
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                while (piece := await self.sink.piece()) is not None:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.close()

    def close(self) -> None:
        """Leave nothing behind."""
        if self in self._streams:
            self._streams.discard(self)
            if self._beginning is not None:
                self._beginning.cancel()
            self.session.close()
            self.sink.gone()
            CONNECTIONS.dec()
            CLOSES.labels(str(self.sink.closed_with)).inc()


def _retry_ms() -> int:
    return random.randint(*_RETRY_MS)  # noqa: S311 no secret


def _after(seconds: int | str) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _abort_of(scope: Scope) -> Callable[[], None]:
    abort: Callable[[], None] = scope["extensions"][ABORT]["abort"]
    return abort


def _problem(refusal: Refused) -> Problem:
    match refusal.code:
        case FeedCode.VALIDATION_FAILED:
            name, _, text = refusal.detail.partition(": ")
            fault = {"pointer": "", "parameter": name, "detail": f"query parameter {name}: {text}"}
            return Problem(Code.VALIDATION_FAILED, fault["detail"], errors=[fault])
        case FeedCode.SNAPSHOT_UNAVAILABLE:
            return Problem(Code.READ_MODEL_UNAVAILABLE, refusal.detail, headers=_after(_NOT_READY_S))
        case _:
            return Problem(Code.NOT_READY, refusal.detail, headers=_after(_NOT_READY_S))
