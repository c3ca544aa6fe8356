"""A worker that is stuck looks alive to its group and to its health port (FAUST.md 25): these functions notice it, and end its process.

The supervisor starts the process again, and the log says where to go on.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable

from infra.process.exits import GUARD_EXIT, end_process
from infra.process.health import Health

STUCK_S = 60.0
"""Longest time without a fetch being begun or worked off, nor a record folded, before a worker ends itself. A tick comes every second."""
BLOCKED_S = 30
"""Seconds for which the event loop may answer nothing."""
_LAST_WORDS_S = 2.0


class LastProgress:
    """When a worker last got on with its work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moved_at = clock()

    def moved(self) -> None:
        """Note progress."""
        self._moved_at = self._clock()

    @property
    def age_s(self) -> float:
        """Seconds since the last progress."""
        return self._clock() - self._moved_at


async def end_when_stuck(last_progress: LastProgress, health: Health, *, limit_s: float = STUCK_S, look_every_s: float = 1.0) -> None:
    """End the process once the last progress is older than `limit_s`; a worker that says what it waits for is not stuck."""
    while True:
        if health.state == "waiting":
            last_progress.moved()
        if last_progress.age_s > limit_s:
            end_process(f"no fetch was worked off for {last_progress.age_s:.0f} s, and nothing is waited for: stuck")
        await asyncio.sleep(look_every_s)


def end_when_blocked(loop: asyncio.AbstractEventLoop, *, limit_s: float = BLOCKED_S, look_every_s: float = 1.0) -> Callable[[], None]:
    """Watch the loop from a thread: a loop that answers nothing for `limit_s` can't end its process itself. Returns what ends the watch.

    Looks are counted, not time: in a frozen process the thread stands still too, and what was frozen is not blocked.
    """
    over, answered = threading.Event(), threading.Event()

    def watch() -> None:
        missed = 0
        while not over.wait(look_every_s):
            missed = 0 if answered.is_set() else missed + 1
            if missed * look_every_s >= limit_s:
                # Whatever blocks the loop may hold the log's lock too.
                last_words = threading.Timer(_LAST_WORDS_S, os._exit, (GUARD_EXIT,))
                last_words.daemon = True
                last_words.start()
                end_process(f"the event loop has answered nothing for {limit_s:g} s: blocked")
            answered.clear()
            loop.call_soon_threadsafe(answered.set)

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    answered.set()
    thread.start()

    def stop() -> None:
        over.set()
        thread.join()

    return stop
