"""When a client that does not take what was sent is given up. Pure."""

from dataclasses import dataclass

PATIENCE_S = 3.0
LEAST_TAKEN = 64 * 1024
"""Bytes that a slow client has to take in that time, or all there is: less, and it is hopeless."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Since when so much has waited."""

    since: float
    buffered: int
    hopeless: bool = False

    def look(self, now: float, buffered: int) -> "Stall":
        """What to think of it now."""
        if now < self.since + PATIENCE_S:
            return self
        taken = self.buffered - buffered
        return Stall(now, buffered, hopeless=buffered > 0 and taken < LEAST_TAKEN)
