"""The outcomes of commands as the log's end brings them: thousands may wait at once, for one reader of the log per process."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from prometheus_client import Gauge

from infra.gate import Counted
from infra.log_tail import LogTail

REMEMBERED = 5_000
"""Outcomes kept in memory after they were seen, so that one that the read models do not hold yet can be told."""

_WAITING = Gauge("orders_waiting_requests", "Requests that wait for a command's outcome")


class Outcomes:
    """What the tail has seen of commands since it started. Everything here happens on the loop, without an await in between."""

    def __init__(self, tail: LogTail) -> None:
        self._waiting: dict[UUID, set[asyncio.Future[Counted]]] = {}
        self._recent: OrderedDict[UUID, Counted] = OrderedDict()
        self._decided: dict[int, int] = {}
        self._unsubscribe = tail.subscribe(self._delivered)
        tail.on_replaced(self._forget)

    def close(self) -> None:
        """Stop listening; whoever still waits is cancelled."""
        self._unsubscribe()
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.cancel()

    @contextmanager
    def expect(self, command_id: UUID) -> Iterator["asyncio.Future[Counted]"]:
        """A future for the command's record, from now on. Leaving the block, however, leaves nothing behind."""
        waiter: asyncio.Future[Counted] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(command_id, set()).add(waiter)
        _WAITING.inc()
        try:
            yield waiter
        finally:
            _WAITING.dec()
            waiter.cancel()
            waiters = self._waiting.get(command_id)
            if waiters is not None:
                waiters.discard(waiter)
                if not waiters:
                    del self._waiting[command_id]

    def recent(self, command_id: UUID) -> Counted | None:
        """The command's record, if it was seen not long ago."""
        return self._recent.get(command_id)

    def decided_up_to(self, partition: int) -> int | None:
        """The offset of the last command of this partition that is known to be decided, None while none was seen."""
        return self._decided.get(partition)

    def note_decided(self, partition: int, command_offset: int) -> None:
        """What was learned elsewhere, from the log's last record before this process started."""
        self._decided[partition] = max(command_offset, self._decided.get(partition, -1))

    def __len__(self) -> int:
        """How many commands are waited for."""
        return len(self._waiting)

    def _delivered(self, partition: int, records: Sequence[Counted], _next_offset: int) -> None:
        for counted in records:
            command_id = counted.record.command_id
            self._recent[command_id] = counted
            for waiter in self._waiting.get(command_id, ()):
                if not waiter.done():
                    waiter.set_result(counted)
        if records:
            self.note_decided(partition, records[-1].command_offset)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)

    def _forget(self) -> None:
        # Another log: what was seen of the old one says nothing about this one.
        self._recent.clear()
        self._decided.clear()
