"""One timer for all members: each member has its turn once a period, spread as they joined."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Member(Protocol):
    """Something that has turns."""

    @property
    def over(self) -> bool:
        """Whether it has left: it has no more turns."""
        ...


class TimerWheel:
    """All members have the same period, so those that joined first are due first: a queue is enough, and ten thousand cost one timer."""

    def __init__(self, period_s: float, turn: Callable[..., None]) -> None:
        self._period_s, self._turn = period_s, turn
        self._due: deque[tuple[float, Member]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def join(self, member: Member) -> None:
        """Give the member turns, the first one a period from now."""
        self._due.append((self._loop.time() + self._period_s, member))
        if self._timer is None:
            self._wait()

    def stop(self) -> None:
        """End all turns."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        # Members that are due within the next hundredth of a period have their turns together.
        self._timer = self._loop.call_at(self._due[0][0] + self._period_s / 100, self._go_round)

    def _go_round(self) -> None:
        now = self._loop.time()
        self._timer = None
        while self._due and self._due[0][0] <= now:
            due, member = self._due.popleft()
            if not member.over:
                self._due.append((due + self._period_s, member))
                self._turn(member)
        if self._due and self._timer is None:
            self._wait()
