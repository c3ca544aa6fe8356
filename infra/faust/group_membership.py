"""Whether a group may have given a worker's partitions to another without its noticing, because the worker was frozen.

A worker that runs all the time but gets no confirmation is another matter: the coordinator is away, for all members alike, and
they are still members when it comes back (docs/decisions/0009-a-coordinator-that-is-away.md).
"""

import time
from collections.abc import Callable

RUNS_EVERY_S = 0.5
"""How often a worker says that it runs."""
STOOD_STILL_S = 2.0
"""A worker that did not say so for this long stood still; a busy machine delays it less."""

# A frozen process must see that time has passed; where the system has it, this clock runs through suspension too.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def freeze_proof_s() -> float:
    """Seconds by a clock that runs through a freeze of the process and, where the system can, of the machine."""
    return time.clock_gettime(_CLOCK)


class Membership:
    """What a worker knows of its membership, by a clock that runs through a freeze."""

    def __init__(self, clock: Callable[[], float] = freeze_proof_s) -> None:
        self._clock = clock
        self._confirmed_at = self._ran_at = clock()
        self._stood_still_s = 0.0

    def confirmed(self, sent_at: float) -> None:
        """Note that the group confirmed a heartbeat sent at that time: the answer may have lain in the socket through a freeze."""
        if sent_at >= self._confirmed_at:
            self._confirmed_at, self._stood_still_s = sent_at, 0.0

    def runs(self) -> None:
        """Note that the process runs now."""
        now = self._clock()
        self._stood_still_s, self._ran_at = max(self._stood_still_s, now - self._ran_at), now

    def slept_through_s(self, session_timeout_s: float) -> float | None:
        """Seconds without confirmation, if they are more than the session timeout and the process stood still meanwhile; else None."""
        now = self._clock()
        unconfirmed = now - self._confirmed_at
        stood_still = max(self._stood_still_s, now - self._ran_at) >= STOOD_STILL_S
        return unconfirmed if unconfirmed > session_timeout_s and stood_still else None
