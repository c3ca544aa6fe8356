"""How long to wait before starting a process again."""

from infra.exits import GUARD_EXIT

_FIRST_S = 0.5
_LONGEST_S = 15.0
_GUARD_FIRST_S = 0.1
_GUARD_LONGEST_S = 2.0
_STEADY_S = 30.0


class RestartBackoff:
    """Doubles from death to death up to 15 s, and starts over after 30 s of life.

    A process that ended itself on purpose (exit code 70) did right: it comes back at once, and in 2 s at most.
    """

    def __init__(self) -> None:
        self._deaths = 0

    def delay_s(self, *, exit_code: int | None, lived_s: float) -> float:
        """Seconds until the next start, for a process that ended now after `lived_s` seconds."""
        self._deaths = 1 if lived_s >= _STEADY_S else self._deaths + 1
        first, longest = (_GUARD_FIRST_S, _GUARD_LONGEST_S) if exit_code == GUARD_EXIT else (_FIRST_S, _LONGEST_S)
        return min(longest, first * 2.0 ** min(self._deaths - 1, 10))
