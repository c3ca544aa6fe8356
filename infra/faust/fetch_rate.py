"""A pause between two fetches of a worker that follows the log: what comes within it is worked off together."""

import asyncio
import time


class Pace:
    """At most one fetch that brings something in `every_s` seconds; what comes after a quiet time waits for nothing."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_at = 0.0

    async def turn(self) -> None:
        """Return when the next fetch may begin."""
        left = self._next_at - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    def fetched(self) -> None:
        """A fetch has brought something."""
        self._next_at = time.monotonic() + self._every_s
