"""An event loop whose time does not pass but leaps: when nothing is left to do, it is as late as the next timer wants it."""

import asyncio
import selectors
from typing import Any


class _Leaps(selectors.DefaultSelector):
    """Waits for nothing: what was to be waited for is added to the loop's time."""

    waited_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self.waited_s += timeout
            timeout = 0
        return super().select(timeout)


class QuickLoop(asyncio.SelectorEventLoop):
    """For code that only sleeps and takes its time from the loop: seconds cost nothing, and no busy machine makes one late.

    `asyncio.Runner(loop_factory=QuickLoop)` runs one.
    """

    def __init__(self) -> None:
        self._leaps = _Leaps()
        super().__init__(self._leaps)

    def time(self) -> float:
        return self._leaps.waited_s
