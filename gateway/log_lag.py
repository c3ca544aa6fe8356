"""How far a reader of the event log is behind, in seconds: also behind records that were appended before this process began."""

import asyncio
import time
from collections.abc import Mapping

from event_schemas.positions import LogIdentity
from event_schemas.topics import EVENTS
from infra.errors import BrokerAway
from infra.event_log.lookup import RecordReader
from infra.event_log.tail import LogTail

_ANSWER_S = 0.5
"""Longest that an answer waits to learn when a record was appended. Until that is known, the record counts as old as this process."""
_POSITIONED_S = 3.0
"""How long after the start of a process answers wait for the tail to find the log's end: before that no lag is known."""
_AGAIN_S = 1.0
"""Shortest time between two questions about one partition: what was learned last is older, and so an upper bound meanwhile."""


class LogLag:
    """Knows the age of records that the tail has seen, and asks the log about earlier ones."""

    def __init__(self, tail: LogTail, reader: RecordReader) -> None:
        self._tail, self._reader = tail, reader
        self._learned: dict[int, tuple[int, int]] = {}
        self._asked_at: dict[int, float] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._log_number = 0
        self._wait_until = time.monotonic() + _POSITIONED_S
        tail.on_replaced(self._forget)

    @property
    def identity(self) -> LogIdentity:
        """Which log is read."""
        return self._tail.identity

    async def lag_seconds(self, next_offsets: Mapping[int, int]) -> float | None:
        """Age in seconds of the oldest record that is not applied at these checkpoints, 0.0 if there is none. To about 0.1 s.

        None while the lag is unknown: this process has not found the log's end yet.
        """
        if not self._tail.ends:
            await self._tail.positioned(max(0.0, self._wait_until - time.monotonic()))
        ends = self._tail.ends
        if not ends:
            return None
        behind = {partition: offset for partition, offset in next_offsets.items() if offset < ends.get(partition, 0)}
        if asking := [task for partition, offset in behind.items() if (task := self._question(partition, offset))]:
            await asyncio.wait(asking, timeout=_ANSWER_S)
        appended = [found for partition, offset in behind.items() if (found := self._appended_ms(partition, offset)) is not None]
        return max(0.0, time.time() - min(appended) / 1000) if appended else 0.0

    async def stop(self) -> None:
        """End the questions that are open, and let go of the reader."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        await self._reader.stop()

    def _appended_ms(self, partition: int, offset: int) -> int | None:
        ages = self._tail.ages.get(partition)
        if ages is None:
            return None
        learned = self._learned.get(partition)
        if offset < ages.begun and learned is not None and learned[0] <= offset:
            return learned[1]
        return ages.appended_ms(offset)

    def _question(self, partition: int, offset: int) -> "asyncio.Task[None] | None":
        """The question about this partition that is open, or a new one; None when there is nothing to ask."""
        if open_one := self._asking.get(partition):
            return open_one
        ages = self._tail.ages.get(partition)
        if ages is None or offset >= ages.begun or self._learned.get(partition, (-1, 0))[0] == offset:
            return None
        now = time.monotonic()
        if now - self._asked_at.get(partition, -_AGAIN_S) < _AGAIN_S:
            return None
        self._asked_at[partition] = now
        self._asking[partition] = asyncio.create_task(self._learn(partition, offset, self._log_number), name=f"age of {EVENTS}/{partition}")
        return self._asking[partition]

    async def _learn(self, partition: int, offset: int, asked_of: int) -> None:
        try:
            record = await self._reader.at(EVENTS, partition, offset)
        except BrokerAway:
            return  # the record counts as old as this process, and the next read asks again
        finally:
            del self._asking[partition]
        if record is not None and asked_of == self._log_number:
            self._learned[partition] = (offset, record.timestamp)

    def _forget(self) -> None:
        self._log_number += 1  # pending questions are about the log before
        self._learned.clear()
        self._asked_at.clear()
