"""Who may connect, how many in a second, and what a client may cost: pages by their origin, limits, slow readers. Pure.

After a restart all clients come back at once, and each costs a handshake and a replay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def allowed_origins(text: str | None) -> frozenset[str]:
    """The origins of a comma-separated list such as `https://shop.example,https://admin.example:8443`."""
    return frozenset(origin.strip().rstrip("/").lower() for origin in (text or "").split(",") if origin.strip())


def may_open(origin: str, host: str | None, allowed: frozenset[str]) -> bool:
    """Whether a page of this origin may open the feed at this host.

    Without a list, pages of the same host and of loopback may; with a list, only those in it (`*`: every page).
    """
    if "*" in allowed:
        return True
    if allowed:
        return origin.lower() in allowed
    try:
        page = urlsplit(origin).hostname
        own = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return page is not None and (page in _LOOPBACK or page == own)


@dataclass(frozen=True)
class Limits:
    """How long a client may take for each step, and how much it may send: seconds, bytes, frames."""

    handshake_s: float = 10.0
    first_frame_s: float = 10.0
    ping_s: float = 20.0
    """Between two pings; a client that sends nothing between two pings is cut off."""
    frame_bytes: int = 64 * 1024
    frames: int = 500
    """Most frames, control frames included, that a client may send in `frames_s`."""
    frames_s: float = 10.0
    close_s: float = 2.0
    """How long a client that has closed may keep its socket open."""
    goodbye_s: float = 1.0
    """How long clients may take to go when the process ends."""


PATIENCE_S = 3.0
"""Seconds from one look at a slow client to the next."""
LEAST_TAKEN = 64 * 1024
"""Bytes that a slow client has to take within PATIENCE_S, or all that waits: a client that takes less is `hopeless`."""


@dataclass(frozen=True, slots=True)
class Stall:
    """How much waited for a slow client, and when that was measured."""

    since: float
    buffered: int
    hopeless: bool = False

    def look(self, now: float, buffered: int) -> "Stall":
        """The measurement that holds now: this one, or after PATIENCE_S a new one that compares with it."""
        if now < self.since + PATIENCE_S:
            return self
        taken = self.buffered - buffered
        return Stall(now, buffered, hopeless=buffered > 0 and taken < LEAST_TAKEN)


_BURST_S = 2.0
_LATEST_S = 10


class Admission:
    """A token bucket of `rate` a second that holds two seconds' worth."""

    def __init__(self, rate: float, now: float, chance: Callable[[], float]) -> None:
        self._rate, self._then, self._chance = rate, now, chance
        self._free = rate * _BURST_S
        self._refused = 0.0

    def admit(self, now: float) -> int | None:
        """None: the client may connect. Else the seconds after which to come again, spread over the time that letting all in takes."""
        passed, self._then = now - self._then, now
        self._free = min(self._rate * _BURST_S, self._free + passed * self._rate)
        self._refused = max(0.0, self._refused - passed * self._rate)
        if self._free >= 1:
            self._free -= 1
            return None
        self._refused += 1
        return 1 + int(self._chance() * min(_LATEST_S, self._refused / self._rate))
