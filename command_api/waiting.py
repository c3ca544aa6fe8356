"""Waiting for a command's outcome. The gateway hands in what knows outcomes."""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

from starlette.requests import ClientDisconnect

from event_schemas.recorded import RecordedMessage
from infra.event_log.command_outcomes import Outcome


class Expected(Protocol):
    """A command that is about to be appended, and whose outcome cannot be missed from now on."""

    @property
    def brought(self) -> "asyncio.Future[RecordedMessage]":
        """The command's record, once the log's end brings it. Cancelled when the process is told to stop."""
        ...

    async def known(self) -> Outcome | None:
        """The outcome, if the command was decided before it was expected, else None. Asks until that is known; cancel it to stop."""
        ...


class Follower(Protocol):
    """Knows outcomes for requests that wait; projections.command_lookup.outcomes has the real one."""

    def is_ready(self) -> bool:
        """Whether the log's end is being read."""
        ...

    async def ready(self) -> None:
        """Return once the log's end is being read."""
        ...

    def expect(self, command_id: UUID, order_id: UUID) -> AbstractContextManager[Expected]:
        """Register, and note the end of the log, in one step. Leaving the block leaves nothing behind. Only when ready."""
        ...

    async def past_outcome(self, command_id: UUID, order_id: UUID) -> Outcome | None:
        """How the command ended; None when no record up to the log's end, as it is now, ends it. Waits for no outcome.

        Raises Problem when that can't be told within seconds.
        """
        ...

    async def visible(self, outcome: Outcome) -> None:
        """Return once the read models hold this outcome. Asks until they do; cancel it to stop."""
        ...

    def position(self, outcome: Outcome) -> str:
        """The token of the outcome's record."""
        ...


class Deadline:
    """The end of one request's patience, by the loop's clock."""

    def __init__(self, seconds: float) -> None:
        self.when = asyncio.get_running_loop().time() + seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left, 0.0 when the time is up."""
        return max(0.0, self.when - asyncio.get_running_loop().time())


async def within(work: Coroutine[Any, Any, None], deadline: Deadline, gone: "asyncio.Future[None] | None" = None) -> bool:
    """Let `work` go on until the time is up; whether it came to its end. Raises ClientDisconnect as soon as `gone` is done."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task, *([gone] if gone else [])}, timeout=deadline.left_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return True
        if gone is not None and gone.done():
            raise ClientDisconnect
        return False
    finally:
        task.cancel()


async def first_outcome(expected: Expected, deadline: Deadline, *, may_repeat: bool, gone: "asyncio.Future[None]") -> Outcome | None:
    """The outcome of a command that was appended, from the log's end or, if it may be a repeat, from what is known. None: time is up.

    Raises ClientDisconnect as soon as `gone` is done.
    """
    looking = asyncio.create_task(expected.known()) if may_repeat else None
    waiting: set[asyncio.Future[Any]] = {expected.brought, gone, *([looking] if looking else [])}
    try:
        while True:
            await asyncio.wait(waiting, timeout=deadline.left_s, return_when=asyncio.FIRST_COMPLETED)
            if expected.brought.done():
                return None if expected.brought.cancelled() else Outcome.of(expected.brought.result())
            if looking in waiting and looking is not None and looking.done():
                outcome = looking.result()
                if outcome is not None:
                    return outcome
                waiting.discard(looking)
            if gone.done():
                raise ClientDisconnect
            if not deadline.left_s:
                return None
    finally:
        if looking is not None:
            looking.cancel()
