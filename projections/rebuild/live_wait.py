"""How long a promotion waits for the live generation to come up to the new one, and what it means when that does not."""

import time

from projections.rebuild.choice import Refused
from projections.store.generations import Generation

LIVE_S = 20.0
"""Longest wait, in seconds."""
STILL_S = 5.0
"""Seconds without a move after which a live generation of other folds counts as left alone by its release's workers."""


class LeftAlone(Exception):
    """The live generation is of other folds, behind the new one, and does not come up; the text says so."""


class LiveWait:
    """One wait for `live` to come as far as `target`."""

    def __init__(self, live: Generation, target: Generation) -> None:
        self._live, self._target = live, target
        self._began = self._moved = time.monotonic()
        self._ahead: int | None = None

    def look(self, ahead: int) -> None:
        """Note that the new generation is `ahead` records ahead.

        Raises LeftAlone, or Refused with what to do, when there is no point in waiting any longer.
        """
        now = time.monotonic()
        if ahead != self._ahead:
            self._ahead, self._moved = ahead, now
        live, waited_s, still_s = self._live, now - self._began, now - self._moved
        # Only workers of the release that made it can move it on, and that release may be gone for good.
        if live.fold_version != self._target.fold_version and max(waited_s - LIVE_S, still_s - STILL_S) > 0:
            raise LeftAlone(
                f"{live.schema}, the live generation, is of fold version {live.fold_version} and {ahead} records behind "
                f"{self._target.schema}, and does not come up: workers of its release would have to move it on"
            )
        if waited_s > LIVE_S:
            raise Refused(
                f"{live.schema}, the live generation, is {ahead} records behind {self._target.schema} and does not come up: "
                "are the projections running? `./orders status`"
            )
