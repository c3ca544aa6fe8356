"""Waiting until the log's end has passed an offset: thousands may wait at once, and each leaves nothing behind."""

import asyncio
import heapq
from itertools import count


class Reached:
    """Futures by partition and offset; a future is done when the partition's next offset is at least that."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[tuple[int, int, asyncio.Future[None]]]] = {}
        self._number = count()
        self._given_up = 0

    def future(self, partition: int, offset: int) -> asyncio.Future[None]:
        """Done when `partition` has reached `offset`; to stop waiting, cancel it."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(self._count)
        heapq.heappush(self._waiting.setdefault(partition, []), (offset, next(self._number), waiter))
        return waiter

    def advance(self, partition: int, next_offset: int) -> None:
        """Note the partition's next offset, and wake what waited for it."""
        waiting = self._waiting.get(partition, [])
        while waiting and waiting[0][0] <= next_offset:
            waiter = heapq.heappop(waiting)[2]
            if not waiter.done():
                waiter.set_result(None)

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def _count(self, waiter: asyncio.Future[None]) -> None:
        """Sweep cancelled waiters once they are many: on a quiet partition nothing else would ever pop them."""
        self._given_up += waiter.cancelled()
        if self._given_up > 100:
            self._given_up = 0
            for partition, waiting in self._waiting.items():
                self._waiting[partition] = [entry for entry in waiting if not entry[2].done()]
                heapq.heapify(self._waiting[partition])
