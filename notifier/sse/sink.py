"""What leaves for one client over server-sent events: taken from here by the response, piece by piece, as fast as the client reads."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import orjson

from notifier.sink import ClientGone

_KIND_AT = len(b'{"type":"')
_POSITION = b'"position":"'
_LAST_PIECE = b'"more":false}'
_ENDS = {b"reset", b"error"}


class SseFrames:
    """Makes the events of one stream. `snapshot`: it begins with one; until that is complete there is no position to go on from."""

    __slots__ = ("_has_position", "over")

    def __init__(self, *, snapshot: bool = False) -> None:
        self._has_position = not snapshot
        self.over = False
        """Whether the frame made last ends the subscription, and so the stream."""

    def event(self, payload: bytes) -> bytes:
        """A frame (JSON, its `type` first, without an `id`) as an event. An `error` is called `failed`: browsers have their own `error`."""
        kind = payload[_KIND_AT : payload.index(b'"', _KIND_AT)]
        self._has_position = self._has_position or (kind == b"snapshot" and payload.endswith(_LAST_PIECE))
        self.over = kind in _ENDS
        name = b"failed" if kind == b"error" else kind
        return b"event: %b\n%bdata: %b\n\n" % (name, self._id(payload) if self._has_position else b"", _one_line(payload))

    def _id(self, payload: bytes) -> bytes:
        # No text within the JSON can look like this: there, a quotation mark stands behind a backslash.
        begin = payload.find(_POSITION)
        if begin < 0:
            return b""
        begin += len(_POSITION)
        return b"id: %b\n" % payload[begin : payload.index(b'"', begin)]


def retry(wait_ms: int) -> bytes:
    """How long a browser is to wait before it connects again."""
    return b"retry: %d\n\n" % wait_ms


def closing(members: bytes) -> bytes:
    """The last event of a stream: why it ends, as JSON; in place of a websocket's close code and reason."""
    return b"event: closing\ndata: %b\n\n" % members


def _one_line(payload: bytes) -> bytes:
    """A record stands in the frame as it was written: JSON may be written in lines, and these would end the data."""
    if b"\n" in payload or b"\r" in payload:
        return payload.replace(b"\r", b" ").replace(b"\n", b" ")
    return payload


LOST = 1006
_DONE = 1000
PARK_BYTES, RESUME_BYTES = 256 * 1024, 64 * 1024
"""Bytes that wait for a client: above the first its subscription is parked, below the second it goes on."""
_PIECE_BYTES = 64 * 1024
_FAREWELL_S = 2.0
"""How long a client that was ended may take to read what waits, and why."""


class Served(Protocol):
    """What a sink tells when the client reads too slowly and when nothing more will be sent; a Session is one."""

    def paused(self) -> None:
        """More waits for the client than may."""
        ...

    def resumed(self) -> None:
        """Most of what waited has left."""
        ...

    def close(self) -> None:
        """Nothing more is sent."""
        ...


class SseSink:
    """A ClientSink that is a response. No task and no queue of its own: the request's task takes what is there when it is woken.

    `retry_ms` says after how long a client whose stream has ended is to come back, `abort` cuts the connection off.
    """

    def __init__(self, frames: SseFrames, session: Served, *, retry_ms: Callable[[], int], abort: Callable[[], None]) -> None:
        self._frames, self._session, self._retry_ms, self._abort = frames, session, retry_ms, abort
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = self._leaving_bytes = 0
        self._paused = False
        self._wake, self._relieved, self.begun = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._relieved.set()
        self._farewell: asyncio.TimerHandle | None = None
        self.closed_with = LOST
        """The close code that a websocket would have had."""
        self.open = True
        """Whether frames still reach the client."""
        self._put(retry(retry_ms()))

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client to take them."""
        return self._waiting_bytes + self._leaving_bytes

    def queue(self, payload: bytes) -> None:
        """Take a frame. One that ends the subscription ends the stream."""
        if not self.open:
            return
        self._put(self._frames.event(payload))
        if self._frames.over:
            self._put(retry(self._retry_ms()))
            self._finish(_DONE)

    def flush(self) -> None:
        """Wake the response; park the session when more waits than may."""
        self._wake.set()
        self.begun.set()
        if self.buffered > PARK_BYTES and not self._paused:
            self._paused = True
            self._relieved.clear()
            self._session.paused()

    async def drained(self) -> None:
        """Return at once unless too much waits, else when most of it has left. Raises ClientGone when the client has left."""
        await self._relieved.wait()
        if not self.open:
            raise ClientGone

    def end(self, code: int, reason: Mapping[str, object]) -> None:
        """Close with a reason, and with the server's wish when to come back; a client that does not read even that is cut off after 2 s."""
        self._session.close()
        if self.open:
            after_ms = reason.get("retry_after_ms")
            self._put(retry(after_ms if isinstance(after_ms, int) else self._retry_ms()))
            self._put(closing(orjson.dumps({"type": "closing", "close": code, **reason})))
            self._finish(code)

    def gone(self) -> None:
        """Send nothing more: the client has left, or the response is complete."""
        self._waiting.clear()
        self._waiting_bytes = self._leaving_bytes = 0
        self._finish(self.closed_with)
        if self._farewell is not None:
            self._farewell.cancel()

    def _finish(self, code: int) -> None:
        """Take nothing more; what waits may still leave."""
        if self.open:
            self.open, self.closed_with = False, code
            self._farewell = asyncio.get_running_loop().call_later(_FAREWELL_S, self._abort)
        self.begun.set()
        self._wake.set()
        self._relieved.set()

    def _put(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    async def piece(self) -> bytes | None:
        """What may leave now, about 64 KiB at most; None when everything has and nothing more will. Ask again when it has left."""
        self._left()
        while not self._waiting:
            if not self.open:
                return None
            self._wake.clear()
            await self._wake.wait()
        taken: list[bytes] = []
        while self._waiting and self._leaving_bytes < _PIECE_BYTES:
            taken.append(self._waiting.popleft())
            self._leaving_bytes += len(taken[-1])
        self._waiting_bytes -= self._leaving_bytes
        return b"".join(taken)

    def _left(self) -> None:
        self._leaving_bytes = 0
        if self._paused and self.buffered < RESUME_BYTES:
            self._paused = False
            self._relieved.set()
            if self.open:
                self._session.resumed()
