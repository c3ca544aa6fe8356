"""Timing something that grows by itself, from the last look at which it was empty to the first at which it is complete."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple


class Grown(NamedTuple):
    """Seconds that it took, and CPU seconds of each process meanwhile."""

    seconds: float
    cpu_s: Mapping[str, float]


async def grown(
    count: Callable[[], Awaitable[int]], wanted: int, cpu_s: Callable[[], Mapping[str, float]], *, look_s: float, within_s: float
) -> Grown:
    """Look every `look_s` until there are `wanted`. Raises TimeoutError after `within_s`, and what `count` and `cpu_s` raise."""
    async with asyncio.timeout(within_s):
        began, used = time.perf_counter(), cpu_s()
        # What happens before the first one, such as the start of a process, does not count.
        while not (have := await count()):
            await asyncio.sleep(look_s)
            began, used = time.perf_counter(), cpu_s()
        while have < wanted:
            await asyncio.sleep(look_s)
            have = await count()
    return Grown(time.perf_counter() - began, {name: now - used[name] for name, now in cpu_s().items()})
