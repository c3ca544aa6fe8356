"""How many may connect in a second: after a restart all come back at once, and each costs a handshake and a replay. Pure."""

from collections.abc import Callable

_BURST_S = 2.0
_LATEST_S = 10


class Admission:
    """A token bucket of `rate` a second that holds two seconds' worth."""

    def __init__(self, rate: float, now: float, chance: Callable[[], float]) -> None:
        self._rate, self._then, self._chance = rate, now, chance
        self._free = rate * _BURST_S
        self._refused = 0.0

    def admit(self, now: float) -> int | None:
        """None: come in. Else the seconds after which to come again, spread over as long as it takes to let all of them in."""
        passed, self._then = now - self._then, now
        self._free = min(self._rate * _BURST_S, self._free + passed * self._rate)
        self._refused = max(0.0, self._refused - passed * self._rate)
        if self._free >= 1:
            self._free -= 1
            return None
        self._refused += 1
        return 1 + int(self._chance() * min(_LATEST_S, self._refused / self._rate))
