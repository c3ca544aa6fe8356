"""Where frames go: what a session asks of the transport underneath, websocket or another."""

from collections.abc import Mapping
from typing import Protocol


class ClientGone(Exception):
    """The client has left, so nothing can be written."""


class FrameSink(Protocol):
    """Takes frames."""

    def queue(self, payload: bytes) -> None:
        """Take a frame (JSON, UTF-8); it leaves at the next flush. The same bytes may be handed to many sinks."""
        ...

    def flush(self) -> None:
        """Send what was queued."""
        ...


class ClientSink(FrameSink, Protocol):
    """A FrameSink whose client may be slow, or gone.

    Its transport calls `Session.paused` when more than about 256 KiB wait for the client, and `Session.resumed` when most of that
    has left: meanwhile the session sends nothing that can wait. A transport that buffers nothing itself need not call either.
    """

    @property
    def open(self) -> bool:
        """Whether frames still reach the client."""
        ...

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client to take them."""
        ...

    async def drained(self) -> None:
        """Return at once unless too much waits, else when most of it has left. Raises ClientGone when the client has left."""
        ...

    def end(self, code: int, reason: Mapping[str, object]) -> None:
        """Close with a reason; what was sent before may still leave for a few seconds."""
        ...
