"""A websocket of the feed: the library reads it and answers its control frames, the outbox writes."""

import asyncio
from typing import Any, NoReturn

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request
from websockets.protocol import Event, State

from event_schemas.feed import CloseCode
from notifier.limits import Limits
from notifier.session import Session
from notifier.websocket.frames import PING
from notifier.websocket.sink import WebsocketOutbox

PARK_BYTES, RESUME_BYTES = 256 * 1024, 64 * 1024
"""More than that waits for a client: its subscriptions are parked. Less: they go on."""
_CODES = {*range(1000, 1016), *(value for name, value in vars(CloseCode).items() if name.isupper())}


class FeedConnection(ServerConnection):
    """Tells its session when the client reads too slowly, and when it reads again; ends a client that floods us."""

    session: Session | None = None
    outbox: WebsocketOutbox
    heard = True
    """Whether anything came since the last look."""
    _closing = False
    _frames_in = 0
    _frames_since = 0.0

    def __init__(self, *arguments: Any, limits: Limits, most: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._limits, self._most = limits, most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody wants to shake hands; when far too many do, nobody is listened to."""
        super().connection_made(transport)
        if len(self.server.handler_tasks) > self._most:
            self.transport.abort()

    def serve(self, session: Session) -> None:
        """From now on frames of this session are written."""
        self.outbox = WebsocketOutbox(self)
        self.transport.set_write_buffer_limits(high=PARK_BYTES, low=RESUME_BYTES)
        self.session = session
        session.open(self.outbox)

    def ended(self) -> None:
        """Nothing more will be sent."""
        if self.session is not None:
            self.session.close()

    def forget(self) -> None:
        """Nothing more is served. Whoever is in a cycle is freed by a look at all clients only, and that stops them all for a second."""
        self.session = None
        del self.outbox

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone; so are the library's cycles, for the same reason as in `forget`."""
        super().connection_lost(exc)
        protocol = self.protocol
        vars(protocol).pop("select_subprotocol", None)
        protocol.parser.close()
        protocol.parser_exc = None

    async def send(self, *_: Any, **__: Any) -> NoReturn:
        """Nobody sends by the library: a fragmented message of its would be torn by frames that are written past it."""
        raise AssertionError("frames of the feed leave by the outbox")

    @property
    def over(self) -> bool:
        """Whether the connection is lost."""
        return self.protocol.state is State.CLOSED

    @property
    def closed_with(self) -> str:
        """The code of whoever closed first; 1006 when the connection was cut, `other` for what a client made up."""
        sent, received = self.protocol.close_sent, self.protocol.close_rcvd
        first = received if sent is None or self.protocol.close_rcvd_then_sent else sent
        code = 1006 if first is None else int(first.code)
        return str(code) if code in _CODES else "other"

    def look(self) -> None:
        """Ping; cut off a client of whom nothing was heard since the last look."""
        if not self.heard:
            self.transport.abort()
        elif self.protocol.state is State.OPEN:
            self.heard = False
            self.transport.write(PING)

    def pause_writing(self) -> None:
        """More waits than may."""
        super().pause_writing()
        if self.session is not None:
            self.session.paused()

    def resume_writing(self) -> None:
        """Most of it has left."""
        super().resume_writing()
        if self.session is not None:
            # Not here: this is called from within the transport's own writing.
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.session is not None and not self.paused:
            self.session.resumed()

    def data_received(self, data: bytes) -> None:
        """Bytes came. A client that has closed, or must be closed, and keeps its end of the socket is cut off."""
        super().data_received(data)
        if self.protocol.state is State.CLOSING and self.session is not None and not self._closing:
            self._closing = True
            self.session.close()
            self.loop.call_later(self._limits.close_s, self.transport.abort)

    def process_event(self, event: Event) -> None:
        """A frame came."""
        self.heard = True
        if not isinstance(event, Request):
            self._count()
        super().process_event(event)

    def _count(self) -> None:
        now = self.loop.time()
        if now > self._frames_since + self._limits.frames_s:
            self._frames_since, self._frames_in = now, 0
        self._frames_in += 1
        if self._frames_in > self._limits.frames and self.protocol.state is State.OPEN and self.session is not None:
            self.outbox.end(CloseCode.TOO_MANY_FRAMES, {"code": "too_many_frames"})
