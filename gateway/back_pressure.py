"""Back-pressure: while the oldest waiting command is older than the set age, no further one is taken."""

from collections.abc import Sequence
from math import ceil
from typing import Protocol

from event_schemas.codes import Code
from event_schemas.positions import CommandPlace
from infra.http.problems import Problem

_RETRY_AT_MOST_S = 30


class Age(Protocol):
    """How long the oldest command waits; gateway.command_lag.Backlog says so."""

    @property
    def age_s(self) -> float:
        """Seconds, 0.0 when none waits."""
        ...


class Log(Protocol):
    """Where commands go; command_api.command_log.CommandLog is one."""

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command."""
        ...


class GuardedLog:
    """A log that takes no command while what it holds is waiting for too long: refusing early keeps the promise of every 202 short."""

    def __init__(self, log: Log, backlog: Age, *, oldest_s: float) -> None:
        self._log, self._backlog, self._oldest_s = log, backlog, oldest_s

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command. Raises Problem `backlog_too_old` before anything is appended, else what the log itself raises."""
        age = self._backlog.age_s
        if age > self._oldest_s:
            raise Problem(
                Code.BACKLOG_TOO_OLD,
                f"commands wait for {age:.0f} s to be decided, longer than {self._oldest_s:g} s: nothing was taken, try again later",
                # As long again as it has waited: what is older gets a longer rest.
                headers={"Retry-After": str(min(_RETRY_AT_MOST_S, ceil(age)))},
            )
        return await self._log.append(order_id, value, headers)
