"""Where frames go: what a session asks of the transport underneath, websocket or another."""

from collections.abc import Mapping
from typing import Protocol


class ClientGone(Exception):
    """There is no one left to write to."""


class Outbox(Protocol):
    """Takes frames."""

    def queue(self, payload: bytes) -> None:
        """Take a frame (JSON, UTF-8); it leaves at the next flush."""
        ...

    def flush(self) -> None:
        """Send what was queued."""
        ...


class ClientOutbox(Outbox, Protocol):
    """An Outbox whose client may be slow, or gone."""

    @property
    def open(self) -> bool:
        """Whether frames still reach the client."""
        ...

    async def drained(self) -> None:
        """Return when the client has read most of what was sent. Raises ClientGone when it does not, or has left."""
        ...

    def end(self, code: int, reason: Mapping[str, str]) -> None:
        """Close with a reason."""
        ...
