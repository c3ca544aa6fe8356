"""The outcomes of commands as the log's end brings them: thousands may wait at once, for one reader of the log per process."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from prometheus_client import Gauge

from event_schemas.events import CommandRejected, Record
from event_schemas.recorded import RecordedMessage
from infra.event_log.tail import LogTail

REMEMBERED = 5_000
"""Outcomes kept in memory after they were seen, so that an outcome can be told before the read models hold it."""

_WAITING = Gauge("orders_waiting_requests", "Requests that wait for a command's outcome")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, from the log's end or from a read model. `code` and `detail` are None unless it was rejected.

    `record_offset` is its record's place, `command_offset` that of the command which the record ends, in the same partition.
    """

    command_id: UUID
    order_id: UUID
    code: str | None
    detail: str | None
    version: int
    partition: int
    record_offset: int
    command_offset: int

    @classmethod
    def of(cls, counted: RecordedMessage) -> "Outcome":
        """The outcome that a record is."""
        return cls.of_record(counted.record, counted.partition, counted.offset, counted.command_offset)

    @classmethod
    def of_record(cls, record: Record, partition: int, record_offset: int, command_offset: int) -> "Outcome":
        """The outcome that a record is, or would be, at this place."""
        rejection = record.data if isinstance(record.data, CommandRejected) else None
        return cls(
            command_id=record.command_id,
            order_id=record.order_id,
            code=rejection.code if rejection else None,
            detail=rejection.detail if rejection else None,
            version=record.version,
            partition=partition,
            record_offset=record_offset,
            command_offset=command_offset,
        )

    @classmethod
    def of_row(cls, row: object) -> "Outcome":
        """The outcome that a row of a read model holds: its columns have the names of the fields here."""
        return cls(**{name: getattr(row, name) for name in cls.__slots__})


class RecentOutcomes:
    """What the tail has seen of commands since it started. Everything here happens on the loop, without an await in between."""

    def __init__(self, tail: LogTail) -> None:
        self._waiting: dict[UUID, set[asyncio.Future[RecordedMessage]]] = {}
        self._recent: OrderedDict[UUID, RecordedMessage] = OrderedDict()
        self._decided: dict[int, int] = {}
        self._holds_from: dict[int, int] = {}
        self._closed = False
        self._unsubscribe = tail.subscribe(self._delivered)
        tail.on_replaced(self._forget)

    def close(self) -> None:
        """Stop listening. Pending waits are cancelled, and later ones are cancelled at once."""
        self._closed = True
        self._unsubscribe()
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.cancel()

    @contextmanager
    def expect(self, command_id: UUID) -> Iterator["asyncio.Future[RecordedMessage]"]:
        """A future for the command's record, from now on. Leaving the block, in whatever way, leaves nothing behind."""
        waiter: asyncio.Future[RecordedMessage] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(command_id, set()).add(waiter)
        _WAITING.inc()
        if self._closed:
            waiter.cancel()
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

    def recent(self, command_id: UUID) -> RecordedMessage | None:
        """The command's record, if it was seen not long ago."""
        return self._recent.get(command_id)

    def remembered(self) -> Sequence[RecordedMessage]:
        """All records that are remembered, in the order in which they came."""
        return list(self._recent.values())

    def holds_from(self, partition: int) -> int | None:
        """The offset from which on every record of this partition that counts is remembered; None while nothing came."""
        return self._holds_from.get(partition)

    def decided_up_to(self, partition: int) -> int | None:
        """The offset of the last command of this partition that is known to be decided, None while none was seen."""
        return self._decided.get(partition)

    def note_decided(self, partition: int, command_offset: int) -> None:
        """Note a decided command that was learned elsewhere: from the log's last record before this process started."""
        self._decided[partition] = max(command_offset, self._decided.get(partition, -1))

    def __len__(self) -> int:
        """How many commands are waited for."""
        return len(self._waiting)

    def _delivered(self, partition: int, records: Sequence[RecordedMessage], next_offset: int) -> None:
        for counted in records:
            command_id = counted.record.command_id
            self._recent[command_id] = counted
            for waiter in self._waiting.get(command_id, ()):
                if not waiter.done():
                    waiter.set_result(counted)
        self._holds_from.setdefault(partition, records[0].offset if records else next_offset)
        if records:
            self.note_decided(partition, records[-1].command_offset)
        while len(self._recent) > REMEMBERED:
            _, forgotten = self._recent.popitem(last=False)
            self._holds_from[forgotten.partition] = max(self._holds_from[forgotten.partition], forgotten.offset + 1)

    def _forget(self) -> None:
        # Another log: what was seen of the old one says nothing about this one.
        self._recent.clear()
        self._decided.clear()
        self._holds_from.clear()
