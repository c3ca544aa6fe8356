"""How long to wait before starting a process again."""

import signal

from infra.process.exits import GUARD_EXIT

_FIRST_S = 0.5
_LONGEST_S = 5.0
_MEANT_FIRST_S = 0.1
_MEANT_LONGEST_S = 2.0
_MEANT = (0, -signal.SIGTERM, GUARD_EXIT)
_STEADY_S = 30.0


class RestartBackoff:
    """Doubles from death to death up to 5 s, and starts over after 30 s of life.

    A process that was asked to end, or ended itself on purpose (exit code 70), did right: it comes back at once, and in 2 s at most.
    A longer wait would leave partitions without an owner when both workers of a service are hit in turn.
    """

    def __init__(self) -> None:
        self._deaths = 0

    def delay_s(self, *, exit_code: int | None, lived_s: float) -> float:
        """Seconds until the next start, for a process that ended now after `lived_s` seconds."""
        self._deaths = 1 if lived_s >= _STEADY_S else self._deaths + 1
        first, longest = (_MEANT_FIRST_S, _MEANT_LONGEST_S) if exit_code in _MEANT else (_FIRST_S, _LONGEST_S)
        return min(longest, first * 2.0 ** min(self._deaths - 1, 10))
