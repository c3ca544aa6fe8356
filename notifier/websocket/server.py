"""The websocket server of the feed: which clients may connect, one session for each connection, and how all are sent away."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from event_schemas.feed_codes import SUBPROTOCOL, CloseCode
from event_schemas.topics import EVENTS
from infra.event_log.tail import LogTail
from infra.process.settings import Settings
from infra.process.tuning import bound_send_buffer
from notifier.admission import Admission, Limits, allowed_origins, may_open
from notifier.feed import Feed
from notifier.metrics import CLOSES, CONNECTIONS, REFUSED_CONNECTIONS
from notifier.session import Session
from notifier.sink import ClientGone
from notifier.timer_wheel import TimerWheel
from notifier.websocket.connection import FeedConnection

PATH = "/feed"
HANDSHAKES = 1_000
"""Sockets beyond ORDERS_FEED_MAX_CONNECTIONS that may shake hands, or be told that there is no room."""
_LEAST_SPREAD_MS = 500
_SENT_AWAY_AT_ONCE = 200
_log = logging.getLogger(__name__)


class FeedServer:
    """Serves the feed of one log tail, which is started before, and stopped after, by its owner."""

    def __init__(self, settings: Settings, tail: LogTail, *, topic: str = EVENTS, limits: Limits | None = None) -> None:
        self._settings, self._limits = settings, limits or Limits()
        self._origins = allowed_origins(settings.feed_origins)
        self._feed = Feed(settings, tail, topic=topic)
        self._admission = Admission(settings.feed_admission, time.monotonic(), random.random)
        self._clients: set[FeedConnection] = set()
        self._server: Server | None = None

    async def start(self, port: int | None = None) -> int:
        """Listen on ORDERS_BIND and ORDERS_FEED_PORT (or `port`; 0: a free one). Returns the port. Raises OSError when it is taken."""
        await self._feed.start()
        self._keep_pace()
        connection: Any = self._connection  # as good as a class
        self._pings = TimerWheel(self._limits.ping_s, FeedConnection.look)
        self._server = await serve(
            self._serve_one,
            self._settings.bind,
            self._settings.feed_port if port is None else port,
            process_request=self._refuse,
            select_subprotocol=_select_subprotocol,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            # Deflate costs four times the CPU and three times the memory; frames made by hand need it off.
            compression=None,
            max_size=self._limits.frame_bytes,
            max_queue=4,
            open_timeout=self._limits.handshake_s,
            # The library's pings wait behind a stalled reader's frames and are a task for each client.
            ping_interval=None,
            close_timeout=self._limits.goodbye_s,
            server_header=None,
            logger=_quiet_logger(),
            create_connection=connection,
            backlog=4096,
        )
        for listener in self._server.sockets:
            bound_send_buffer(listener)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Send every client away with a hint when to come back, and stop listening. Takes about 2 s at most, even if clients don't read."""
        if self._server is not None:
            self._server.close(close_connections=False)
            await self._send_all_away()
            try:
                await asyncio.wait_for(asyncio.shield(self._server.wait_closed()), self._limits.goodbye_s)
            except TimeoutError:
                for connection in list(self._server.all_connections):
                    connection.transport.abort()
                for task in list(self._server.handler_tasks):
                    task.cancel()
                await self._server.wait_closed()
            self._pings.stop()
        await self._feed.stop()

    @property
    def clients(self) -> int:
        """Open connections."""
        return len(self._clients)

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all of them that are offered what comes live."""
        return len(self._feed.live)

    async def _send_all_away(self) -> None:
        """Send all clients away, spread over as long as another instance needs to let them in."""
        spread_ms = max(_LEAST_SPREAD_MS, 1000 * len(self._clients) / self._settings.feed_admission)
        for number, connection in enumerate(list(self._clients)):
            retry_after_ms = int(random.uniform(0, spread_ms))  # noqa: S311 no secret
            connection.sink.end(CloseCode.GOING_AWAY, {"code": "going_away", "retry_after_ms": retry_after_ms})
            if number % _SENT_AWAY_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _connection(self, *arguments: Any, **more: Any) -> FeedConnection:
        return FeedConnection(*arguments, limits=self._limits, most=self._settings.feed_max_connections + HANDSHAKES, **more)

    async def _serve_one(self, connection: ServerConnection) -> None:
        assert isinstance(connection, FeedConnection)
        session = Session(self._feed)
        connection.serve(session)
        self._clients.add(connection)
        self._keep_pace()
        self._pings.join(connection)
        CONNECTIONS.inc()
        try:
            with suppress(ConnectionClosed, ClientGone):
                await self._converse(connection, session)
        except Exception:
            _log.exception("a client could not be served")
            connection.sink.end(CloseCode.INTERNAL, {"code": "internal"})
            raise
        finally:
            CONNECTIONS.dec()
            self._clients.discard(connection)
            self._keep_pace()
            session.close()
            CLOSES.labels(connection.closed_with).inc()
            connection.forget()

    def _keep_pace(self) -> None:
        self._feed.log.hurry(bool(self._clients))

    async def _converse(self, connection: FeedConnection, session: Session) -> None:
        try:
            async with asyncio.timeout(self._limits.first_frame_s):
                message = await connection.recv()
        except TimeoutError:
            connection.sink.end(CloseCode.NO_SUBSCRIPTION, {"code": "no_subscription"})
            return
        while True:
            # A client that does not read gets no answers, else they would pile up.
            await connection.sink.drained()
            await session.answer(message)
            message = await connection.recv()

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] != PATH:
            return _refusal(connection, HTTPStatus.NOT_FOUND, "path", f"the feed is at {PATH}")
        origins, hosts = request.headers.get_all("Origin"), request.headers.get_all("Host")
        if len(origins) > 1 or (origins and not may_open(origins[0], hosts[0] if hosts else None, self._origins)):
            detail = "this page may not open the feed: allow its origin with ORDERS_FEED_ORIGINS"
            return _refusal(connection, HTTPStatus.FORBIDDEN, "origin", detail)
        if len(self._clients) >= self._settings.feed_max_connections:
            detail = "this instance has as many clients as it may have (ORDERS_FEED_MAX_CONNECTIONS)"
            return _refusal(connection, HTTPStatus.SERVICE_UNAVAILABLE, "full", detail, random.randint(5, 15))  # noqa: S311 no secret
        if (retry_after_s := self._admission.admit(time.monotonic())) is not None:
            detail = "too many connect at once: come again"
            return _refusal(connection, HTTPStatus.SERVICE_UNAVAILABLE, "rate", detail, retry_after_s)
        return None


def _refusal(connection: ServerConnection, status: HTTPStatus, reason: str, detail: str, retry_after_s: int | None = None) -> Response:
    REFUSED_CONNECTIONS.labels(reason).inc()
    response = connection.respond(status, detail + "\n")
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Our subprotocol if the client offers it, none if it offers none. Raises NegotiationError (400) when it offers only others."""
    if offered and SUBPROTOCOL not in offered:
        raise NegotiationError(f"invalid subprotocol; expected {SUBPROTOCOL}")
    return Subprotocol(SUBPROTOCOL) if offered else None


def _quiet_logger() -> logging.Logger:
    """Clients that leave in the middle of a handshake are no errors of ours."""
    logger = logging.getLogger("websockets.server")
    logger.setLevel(logging.CRITICAL)
    return logger
