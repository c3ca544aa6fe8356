"""The websocket server of the feed: who may connect, and one session for each connection."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from event_schemas.feed import SUBPROTOCOL, CloseCode, ResetReason
from event_schemas.topics import EVENTS
from infra.log_tail import LogTail
from infra.settings import Settings
from notifier.feed import Feed
from notifier.live_end import LiveEnd
from notifier.log_slices import LogSlices
from notifier.metrics import CONNECTIONS
from notifier.origins import allowed_origins, may_open
from notifier.session import Session
from notifier.websocket_outbox import WebsocketOutbox

PATH = "/feed"
_MAX_FRAME = 64 * 1024
_FIRST_FRAME_S = 10.0
_GOODBYE_S = 1.0
_WRITE_LIMIT = 128 * 1024
_RESTARTING = 1012


class FeedServer:
    """Serves the feed of one log tail, which is started and stopped by its owner."""

    def __init__(self, settings: Settings, tail: LogTail, *, topic: str = EVENTS, first_frame_s: float = _FIRST_FRAME_S) -> None:
        self._settings, self._first_frame_s = settings, first_frame_s
        self._origins = allowed_origins(settings.feed_origins)
        self._feed = Feed(tail, LiveEnd(tail), LogSlices(settings, topic), settings.feed_heartbeat_s)
        self._sessions: set[Session] = set()
        self._unsubscribe = tail.subscribe(self._feed.live.delivered)
        tail.on_replaced(self._reset)
        self._server: Server | None = None

    async def start(self, port: int | None = None) -> int:
        """Listen on ORDERS_BIND and ORDERS_FEED_PORT (or `port`; 0: a free one). Returns the port. Raises OSError when it is taken."""
        self._server = await serve(
            self._serve_one,
            self._settings.bind,
            self._settings.feed_port if port is None else port,
            process_request=self._refuse,
            select_subprotocol=_select_subprotocol,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            # Deflate costs four times the CPU and three times the memory; frames made by hand need it off.
            compression=None,
            max_size=_MAX_FRAME,
            max_queue=4,
            write_limit=_WRITE_LIMIT,
            close_timeout=_GOODBYE_S,
            server_header=None,
            logger=_quiet_logger(),
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection with 1012 (come back) and stop listening; takes at most about 2 s, whoever reads or not."""
        self._unsubscribe()
        for session in list(self._sessions):
            session.close()
        if self._server is not None:
            self._server.close(code=_RESTARTING, reason='{"code":"restarting"}')
            try:
                await asyncio.wait_for(asyncio.shield(self._server.wait_closed()), _GOODBYE_S)
            except TimeoutError:
                for connection in list(self._server.all_connections):
                    connection.transport.abort()
                await self._server.wait_closed()
        await self._feed.slices.close()

    @property
    def clients(self) -> int:
        """Open connections."""
        return len(self._sessions)

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all of them."""
        return len(self._feed.live)

    async def _serve_one(self, connection: ServerConnection) -> None:
        session = Session(self._feed)
        outbox = WebsocketOutbox(connection, last_position=session.position, ended=session.close)
        session.open(outbox)
        self._sessions.add(session)
        CONNECTIONS.inc()
        try:
            with suppress(ConnectionClosed):
                await self._converse(connection, session, outbox)
        finally:
            CONNECTIONS.dec()
            self._sessions.discard(session)
            session.close()

    async def _converse(self, connection: ServerConnection, session: Session, outbox: WebsocketOutbox) -> None:
        try:
            async with asyncio.timeout(self._first_frame_s):
                message = await connection.recv()
        except TimeoutError:
            outbox.end(CloseCode.NO_SUBSCRIPTION, {"code": "no_subscription"})
            return
        await session.answer(message)
        async for message in connection:
            await session.answer(message)

    def _reset(self) -> None:
        for session in list(self._sessions):
            session.reset(ResetReason.LOG_REPLACED)

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"the feed is at {PATH}\n")
        origins, hosts = request.headers.get_all("Origin"), request.headers.get_all("Host")
        if len(origins) > 1 or (origins and not may_open(origins[0], hosts[0] if hosts else None, self._origins)):
            return connection.respond(HTTPStatus.FORBIDDEN, "this page may not open the feed: allow its origin with ORDERS_FEED_ORIGINS\n")
        return None


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Ours if it is offered, none to those who offer none. Raises NegotiationError (400) for those who speak only others."""
    if offered and SUBPROTOCOL not in offered:
        raise NegotiationError(f"invalid subprotocol; expected {SUBPROTOCOL}")
    return Subprotocol(SUBPROTOCOL) if offered else None


def _quiet_logger() -> logging.Logger:
    """Clients that leave in the middle of a handshake are no errors of ours."""
    logger = logging.getLogger("websockets.server")
    logger.setLevel(logging.CRITICAL)
    return logger
