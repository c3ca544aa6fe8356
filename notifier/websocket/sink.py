"""What leaves for one websocket client: written at once, never more than it reads."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson
from websockets.protocol import State

from notifier.sink import ClientGone
from notifier.websocket.frames import SharedFrames

if TYPE_CHECKING:
    from notifier.websocket.connection import FeedConnection

_FAREWELL_S = 2.0
"""How long a client that was ended may take to read what is buffered, and why."""
_REASON_BYTES = 123
_frames = SharedFrames()


class WebsocketOutbox:
    """A ClientOutbox that is a websocket. Its connection is told when nothing more will be sent.

    It writes past the library: whole unmasked text frames, so that the library's own control frames stand between them. That is
    right only as long as no extension was agreed on, and nobody sends by the library (`FeedConnection.send` sees to that).
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
        """Close with a reason; who does not even read that is cut off after 2 s (keepalive does not notice a stalled reader)."""
        self._connection.ended()
        if self.open:
            text = orjson.dumps(reason)
            if len(text) > _REASON_BYTES:
                # A position of many partitions does not fit; the client had it in its last frame.
                text = orjson.dumps({"code": reason["code"]})
            self._connection.protocol.send_close(code, text.decode())
            self._connection.send_data()
            self._connection.loop.call_later(_FAREWELL_S, self._transport.abort)
