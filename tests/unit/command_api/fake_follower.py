"""A log, what follows it and the read models, all in one hand: the test says what comes when."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from command_api.command_log import NotAcknowledged
from event_schemas.decoding import decode_command
from event_schemas.positions import CommandPlace
from event_schemas.recorded import RecordedMessage
from infra.event_log.command_outcomes import Outcome
from infra.http.problems import Problem
from order_aggregate.partition_state import PartitionState


@dataclass
class FakeLog:
    """Stands for CommandLog, with an aggregate behind it that decides as soon as a command stands there, or when told to."""

    decides: bool = True
    acknowledges: bool = True
    appended: list[Any] = field(default_factory=list)
    state: PartitionState = field(default_factory=PartitionState)
    waiting: dict[UUID, set["asyncio.Future[RecordedMessage]"]] = field(default_factory=dict)
    records: list[RecordedMessage] = field(default_factory=list)

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        if not self.acknowledges:
            raise NotAcknowledged("TimeoutError")
        self.appended.append(decode_command(value))
        place = CommandPlace(3, len(self.appended) - 1)
        if self.decides:
            self.decide(place)
        # The record may come before the acknowledgement does.
        await asyncio.sleep(0)
        return place

    def decide(self, place: CommandPlace) -> None:
        """Let the aggregate come to this command, and the log's end bring its record."""
        decided = self.state.decide(self.appended[place.offset])
        if decided is None:
            return
        record = decided.record
        counted = RecordedMessage(record, place.partition, len(self.records), 0, place.offset, decided.value)
        self.records.append(counted)
        for waiter in self.waiting.get(record.command_id, ()):
            waiter.set_result(counted)


@dataclass
class FakeFollower:
    """Stands for projections.command_lookup.outcomes.CommandOutcomes. `read_up_to`: how many records the read models hold; None: all."""

    log: FakeLog
    positioned: bool = True
    read_up_to: int | None = None
    asked: int = 0
    past_asked: int = 0
    untold: Problem | None = None

    def is_ready(self) -> bool:
        return self.positioned

    async def ready(self) -> None:
        while not self.positioned:
            await asyncio.sleep(0.001)

    @contextmanager
    def expect(self, command_id: UUID, order_id: UUID) -> Iterator["_Expected"]:
        waiter: asyncio.Future[RecordedMessage] = asyncio.get_running_loop().create_future()
        self.log.waiting.setdefault(command_id, set()).add(waiter)
        try:
            yield _Expected(self, command_id, waiter, len(self.log.records))
        finally:
            self.log.waiting[command_id].discard(waiter)
            if not self.log.waiting[command_id]:
                del self.log.waiting[command_id]

    async def past_outcome(self, command_id: UUID, order_id: UUID) -> Outcome | None:
        self.past_asked += 1
        if self.untold is not None:
            raise self.untold
        found = [counted for counted in self.log.records if (counted.record.command_id, counted.record.order_id) == (command_id, order_id)]
        return Outcome.of(found[0]) if found else None

    def held(self) -> int:
        return len(self.log.records) if self.read_up_to is None else self.read_up_to

    async def visible(self, outcome: Outcome) -> None:
        while self.held() <= outcome.record_offset:
            await asyncio.sleep(0.001)

    def position(self, outcome: Outcome) -> str:
        return f"e.{outcome.partition}-{outcome.record_offset + 1}"


@dataclass
class _Expected:
    follower: FakeFollower
    command_id: UUID
    brought: "asyncio.Future[RecordedMessage]"
    end: int

    async def known(self) -> Outcome | None:
        self.follower.asked += 1
        while self.follower.held() < self.end:
            await asyncio.sleep(0.001)
        for counted in self.follower.log.records[: self.end]:
            if counted.record.command_id == self.command_id:
                return Outcome.of(counted)
        return None
