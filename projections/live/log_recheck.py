"""Looking again, while records come, whether the log is still the one that was applied: it may be restored or replaced at any time."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from projections.store.checkpoints import Checkpoint

RECHECK_S = 30.0
"""Seconds between two looks."""


class LogWitness(Protocol):
    """Compares checkpoints with the log that they claim to come from."""

    async def objections(self, checkpoints: Sequence[Checkpoint]) -> Mapping[int, str]:
        """Per partition whose checkpoint is not from this log: why, and what to do."""
        ...


class LogRecheck:
    """Looks beside the work, which goes on meanwhile; what it finds is taken up before the next fetch is applied."""

    def __init__(self, log: LogWitness) -> None:
        self._log = log
        self._applied: dict[int, Checkpoint] = {}
        self._looking: asyncio.Task[Mapping[int, str]] | None = None
        self._look_at = time.monotonic() + RECHECK_S

    def forget(self) -> None:
        """Other partitions are this worker's now."""
        self._applied.clear()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def applied(self, checkpoints: Sequence[Checkpoint]) -> None:
        """These are the checkpoints now; none of them is looked at before it was committed."""
        self._applied.update((checkpoint.partition, checkpoint) for checkpoint in checkpoints)

    def objections(self) -> Mapping[int, str]:
        """What a look that has ended found, by partition, once. Begins the next one when it is time."""
        if self._looking is not None:
            if not self._looking.done():
                return {}
            found, self._looking = self._looking.result(), None
            for partition in found:
                self._applied.pop(partition, None)
            return found
        if self._applied and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + RECHECK_S
            self._looking = asyncio.create_task(self._log.objections(list(self._applied.values())), name="log recheck")
        return {}
