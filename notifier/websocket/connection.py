"""A websocket of the feed: the library reads it and answers its control frames, the sink writes frames past the library.

Frames are made by hand: one of 200 bytes takes 0.16 µs, by `websockets.frames.Frame.serialize` 1.5 µs, and there is one a client
and event.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request
from websockets.protocol import Event, State

from event_schemas.feed_codes import CloseCode
from notifier.admission import Limits
from notifier.session import Session
from notifier.sink import ClientGone

_TEXT = 0x81
"""Final fragment, text; a server does not mask."""
PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """The payload (UTF-8) as one text frame, RFC 6455 section 5.2."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2) + payload
    return b"\x81\x7f" + length.to_bytes(8) + payload


class SharedFrames:
    """Frames that are made once as long as the same payload goes to one client after the other."""

    __slots__ = ("_frame", "_payload")

    def __init__(self) -> None:
        self._payload = b""
        self._frame = text_frame(b"")

    def text(self, payload: bytes) -> bytes:
        """As `text_frame`."""
        if payload is not self._payload:
            self._payload, self._frame = payload, text_frame(payload)
        return self._frame


_FAREWELL_S = 2.0
"""How long a client that was ended may take to read what is buffered, and why."""
_REASON_BYTES = 123
_frames = SharedFrames()


class WebsocketSink:
    """A ClientSink that is a websocket. Its connection is told when nothing more will be sent.

    It writes past the library: whole unmasked text frames, so that the library's own control frames stand between them. That is
    right only as long as no extension was agreed on, and nothing is sent by the library (`FeedConnection.send` sees to that).
    """

    __slots__ = ("_connection", "_queued", "_transport")

    def __init__(self, connection: "FeedConnection") -> None:
        assert not connection.protocol.extensions
        self._connection = connection
        self._transport = connection.transport
        self._queued: list[bytes] = []

    @property
    def open(self) -> bool:
        """Whether frames still reach the client."""
        return self._connection.protocol.state is State.OPEN

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client to take them."""
        return self._transport.get_write_buffer_size()

    def queue(self, payload: bytes) -> None:
        """Take a frame; it leaves at the next flush."""
        self._queued.append(_frames.text(payload))

    def flush(self) -> None:
        """Send what was queued in one write; the transport says `pause_writing` in it when more waits than may."""
        queued = self._queued
        if queued:
            data = queued[0] if len(queued) == 1 else b"".join(queued)
            queued.clear()
            if self._connection.protocol.state is State.OPEN:
                self._transport.write(data)

    async def drained(self) -> None:
        """Return at once unless too much waits, else when most of it has left. Raises ClientGone when the client has left."""
        try:
            await self._connection.drain()
        except OSError as error:
            raise ClientGone from error
        if not self.open:
            raise ClientGone

    def end(self, code: int, reason: Mapping[str, object]) -> None:
        """Close with a reason. A client that does not read it is cut off after 2 s: keepalive does not notice a stalled reader."""
        self._connection.ended()
        if self.open:
            text = orjson.dumps(reason)
            if len(text) > _REASON_BYTES:
                # A position of many partitions does not fit; the client had it in its last frame.
                text = orjson.dumps({"code": reason["code"]})
            self._connection.protocol.send_close(code, text.decode())
            self._connection.send_data()
            self._connection.loop.call_later(_FAREWELL_S, self._transport.abort)


PARK_BYTES, RESUME_BYTES = 256 * 1024, 64 * 1024
"""Bytes that wait for a client: above the first its subscriptions are parked, below the second they go on."""
_CODES = {*range(1000, 1016), *(value for name, value in vars(CloseCode).items() if name.isupper())}


class FeedConnection(ServerConnection):
    """Tells its session when the client reads too slowly, and when it reads again; ends a client that floods us."""

    session: Session | None = None
    sink: WebsocketSink
    heard = True
    """Whether anything came since the last look."""
    _closing = False
    _frames_in = 0
    _frames_since = 0.0

    def __init__(self, *arguments: Any, limits: Limits, most: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._limits, self._most = limits, most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the handshake; cut it off while far too many others are under way."""
        super().connection_made(transport)
        if len(self.server.handler_tasks) > self._most:
            self.transport.abort()

    def serve(self, session: Session) -> None:
        """Write frames of this session from now on."""
        self.sink = WebsocketSink(self)
        self.transport.set_write_buffer_limits(high=PARK_BYTES, low=RESUME_BYTES)
        self.session = session
        session.open(self.sink)

    def ended(self) -> None:
        """Note that nothing more will be sent."""
        if self.session is not None:
            self.session.close()

    def forget(self) -> None:
        """Break the reference cycle: freeing it would need a full garbage collection, which stops the loop for a second."""
        self.session = None
        del self.sink

    def connection_lost(self, exc: Exception | None) -> None:
        """Break the library's reference cycles: the socket is gone, and the reason is that of `forget`."""
        super().connection_lost(exc)
        protocol = self.protocol
        vars(protocol).pop("select_subprotocol", None)
        protocol.parser.close()
        protocol.parser_exc = None

    async def send(self, *_: Any, **__: Any) -> NoReturn:
        """Refuses: a message that the library sends in fragments would be torn by frames that are written past it."""
        raise AssertionError("frames of the feed leave by the sink")

    @property
    def over(self) -> bool:
        """Whether the connection is lost."""
        return self.protocol.state is State.CLOSED

    @property
    def closed_with(self) -> str:
        """The close code of the side that closed first; 1006 when the connection was cut, `other` for a code that no standard knows."""
        sent, received = self.protocol.close_sent, self.protocol.close_rcvd
        first = received if sent is None or self.protocol.close_rcvd_then_sent else sent
        code = 1006 if first is None else int(first.code)
        return str(code) if code in _CODES else "other"

    def look(self) -> None:
        """Ping; cut off a client that has sent nothing since the last look."""
        if not self.heard:
            self.transport.abort()
        elif self.protocol.state is State.OPEN:
            self.heard = False
            self.transport.write(PING)

    def pause_writing(self) -> None:
        """Called by the transport: more than PARK_BYTES wait for the client."""
        super().pause_writing()
        if self.session is not None:
            self.session.paused()

    def resume_writing(self) -> None:
        """Called by the transport: fewer than RESUME_BYTES wait."""
        super().resume_writing()
        if self.session is not None:
            # Not here: this is called from within the transport's own writing.
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.session is not None and not self.paused:
            self.session.resumed()

    def data_received(self, data: bytes) -> None:
        """Take bytes. A client that has closed, or must be closed, and keeps its end of the socket is cut off."""
        super().data_received(data)
        if self.protocol.state is State.CLOSING and self.session is not None and not self._closing:
            self._closing = True
            self.session.close()
            self.loop.call_later(self._limits.close_s, self.transport.abort)

    def process_event(self, event: Event) -> None:
        """Take a frame."""
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
            self.sink.end(CloseCode.TOO_MANY_FRAMES, {"code": "too_many_frames"})
