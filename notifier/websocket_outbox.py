"""What leaves for one websocket client: written at once, never more than it reads."""

import asyncio
import logging
from collections.abc import Callable, Mapping

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from event_schemas.feed import CloseCode
from notifier.frames import text_frame
from notifier.metrics import SLOW_CLOSES
from notifier.outbox import ClientGone

MAX_BUFFERED = 1024 * 1024
"""Bytes that may wait for a client to read them; with more it is ended."""
_STALL_S = 10.0
_FAREWELL_S = 5.0
"""How long a client that was ended may take to read what is buffered, and why."""
_REASON_BYTES = 123
_log = logging.getLogger(__name__)


class WebsocketOutbox:
    """A ClientOutbox that is a websocket.

    `last_position` says where a client that is ended for being slow goes on; `ended` is called when nothing more will be sent.
    """

    def __init__(self, connection: ServerConnection, *, last_position: Callable[[], str], ended: Callable[[], None]) -> None:
        self._connection, self._last_position, self._ended = connection, last_position, ended
        self._queued: list[bytes] = []

    @property
    def open(self) -> bool:
        """Whether frames still reach the client."""
        return self._connection.state is State.OPEN

    def queue(self, payload: bytes) -> None:
        """Take a frame; it leaves at the next flush."""
        self._queued.append(text_frame(payload))

    def flush(self) -> None:
        """Send what was queued in one write. A client that leaves more than 1 MiB unread is ended."""
        queued, self._queued = self._queued, []
        if queued and self.open:
            self._connection.transport.write(b"".join(queued))
            if self._connection.transport.get_write_buffer_size() > MAX_BUFFERED:
                self._end_slow()

    async def drained(self) -> None:
        """Return when the client has read most of what was sent. Raises ClientGone when it reads nothing for 10 s or has left."""
        try:
            async with asyncio.timeout(_STALL_S):
                await self._connection.drain()
        except TimeoutError:
            self._end_slow()
        except OSError as error:
            raise ClientGone from error
        if not self.open:
            raise ClientGone

    def end(self, code: int, reason: Mapping[str, str]) -> None:
        """Close with a reason; who does not even read that is cut off after 5 s (keepalive does not notice a stalled reader)."""
        self._ended()
        if self.open:
            text = orjson.dumps(reason)
            if len(text) > _REASON_BYTES:
                # A position of many partitions does not fit; the client had it in its last frame.
                text = orjson.dumps({"code": reason["code"]})
            self._connection.protocol.send_close(code, text.decode())
            self._connection.send_data()
            self._connection.loop.call_later(_FAREWELL_S, self._connection.transport.abort)

    def _end_slow(self) -> None:
        SLOW_CLOSES.inc()
        _log.info("ending a client that does not read")
        self.end(CloseCode.SLOW, {"code": "slow", "position": self._last_position()})
