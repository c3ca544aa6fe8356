"""One partition of a log, its end, and read models, all in one hand: the test says what each of them knows."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord
from msgspec.structs import replace

from event_schemas.codes import Code
from event_schemas.events import Record
from event_schemas.positions import CommandPlace, LogIdentity, Position
from event_schemas.recorded import RecordedMessage
from event_schemas.topics import COMMANDS, EVENTS
from infra.errors import BrokerAway
from infra.event_log.command_outcomes import RecentOutcomes
from infra.http.problems import Problem
from projections.command_lookup.outcomes import CommandOutcomes, LogSide
from projections.command_lookup.status import NOWHERE
from projections.command_lookup.stored_outcomes import StoredOutcome
from projections.queries.read_models import Read
from projections.tables.command_outcomes import evolve
from tests.support.fetched import counted_run, fetched_run
from tests.support.given import ship
from tests.support.records import created


@dataclass
class FakeTail:
    """The log's end."""

    ends: dict[int, int] = field(default_factory=lambda: {0: 0})
    identity: LogIdentity = field(default_factory=lambda: LogIdentity(1, {0: b"first"}))

    def subscribe(self, delivered: Any) -> Any:
        self.delivered = delivered
        return lambda: None

    def on_replaced(self, replaced: Any) -> None:
        self.replaced = replaced

    def bring(self, run: Sequence[Any]) -> None:
        self.ends[0] = run[-1].offset + 1
        self.delivered(0, run, self.ends[0])


@dataclass
class FakeReader:
    """The two topics."""

    topics: dict[str, list[ConsumerRecord]] = field(default_factory=lambda: {COMMANDS: [], EVENTS: []})
    deleted_below: int = 0
    broken: bool = False
    runs: list[tuple[str, int, int]] = field(default_factory=list)

    async def at(self, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
        return next(iter(await self.between(topic, partition, offset, offset + 1)), None)

    async def between(self, topic: str, partition: int, start: int, end: int) -> Sequence[ConsumerRecord]:
        if self.broken:
            raise BrokerAway("no answer")
        self.runs.append((topic, start, end))
        below = self.deleted_below if topic == COMMANDS else 0
        return [record for record in self.topics[topic] if max(start, below) <= record.offset < end]


@dataclass
class FakeReads:
    """The read models, up to some offset, or away. Stands for ReadModels."""

    records: dict[UUID, RecordedMessage] = field(default_factory=dict)
    checkpoint: int = 0
    away: bool = False
    looks: int = 0

    async def read(self, query: Any, *, position: str | None = None) -> Read[Any]:
        self.looks += 1
        await asyncio.sleep(0)
        if self.away:
            raise Problem(Code.READ_MODEL_UNAVAILABLE, "away")
        held = {command_id: stored(one) for command_id, one in self.records.items() if one.offset < self.checkpoint}
        return Read(self._found(query, held), {"Orders-Position": "e.x"})

    async def freshness(self, *, position: str | None = None) -> Mapping[str, str]:
        wanted = Position.parse(position).next_offsets if position else {}
        read = await self.read(None)
        if max(wanted.values(), default=0) > self.checkpoint:
            raise Problem(Code.READ_MODEL_BEHIND, "behind")
        return read.headers

    def _found(self, query: Any, held: Mapping[UUID, StoredOutcome]) -> Any:
        match getattr(query, "keywords", None):
            case {"command_id": command_id}:
                return held.get(command_id), {0: self.checkpoint}
            case {"wanted": wanted, "known": known}:
                return [one for one in held.values() if known in (one.row.command_id, one.row.order_id) or one.row.correlation_id == wanted]
        return {command_id: one.row for command_id, one in held.items()}, {0: self.checkpoint}


def stored(counted: RecordedMessage) -> StoredOutcome:
    """The record as the read models hold it."""
    row = evolve(None, counted)
    assert row is not None
    return StoredOutcome(row, "e.x", dict.fromkeys(NOWHERE, "visible"))


class Given:
    """One partition with its commands and records; `find` asks as a client does."""

    def __init__(self) -> None:
        self.tail, self.reader, self.reads = FakeTail(), FakeReader(), FakeReads()
        self.outcomes = RecentOutcomes(self.tail)  # type: ignore[arg-type]
        self.lookup = CommandOutcomes(self.reads, LogSide(self.tail, self.outcomes, self.reader))  # type: ignore[arg-type]

    def command(self, command_id: UUID | None = None) -> tuple[UUID, CommandPlace]:
        """A command that stands in the topic."""
        command = replace(ship(), id=command_id or uuid4())
        offset = len(self.reader.topics[COMMANDS])
        value = command.encoded()
        record = ConsumerRecord(COMMANDS, 0, offset, 0, 0, str(command.order_id).encode(), value, None, 0, len(value), ())
        self.reader.topics[COMMANDS].append(record)
        return command.id, CommandPlace(0, offset)

    def decided(self, *command_ids: UUID, seen: bool) -> None:
        """Records of these commands, which this process has seen or, if it started later, has not."""
        start = len(self.reader.topics[EVENTS])
        records = [created(command_id=command_id) for command_id in command_ids]
        run = fetched_run(records, start=start)
        self.reader.topics[EVENTS] += run
        counted = list(counted_run([*[created() for _ in range(start)], *records]))[start:]
        self.reads.records |= {one.record.command_id: one for one in counted}
        if seen:
            self.tail.bring(counted)
        else:
            self.tail.ends[0] = start + len(records)

    def log_has(self, record: Record) -> None:
        """This record stands in the log; nobody was told."""
        run = fetched_run([record], start=len(self.reader.topics[EVENTS]))
        self.reader.topics[EVENTS] += run
        self.tail.ends[0] = len(self.reader.topics[EVENTS])

    def without_reads(self) -> CommandOutcomes:
        """The same where no database is configured."""
        return CommandOutcomes(None, LogSide(self.tail, self.outcomes, self.reader))  # type: ignore[arg-type]

    def without_log(self) -> CommandOutcomes:
        """The same with the read models alone."""
        return CommandOutcomes(self.reads, None)  # type: ignore[arg-type]

    async def find(self, command_id: UUID, place: CommandPlace | None = None, *, wait_s: float = 0) -> str:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            read = await self.lookup.find(command_id, submitted=place, position=None, wait_s=wait_s, gone=gone)
        except Problem as problem:
            return str(problem.code)
        return read.found.status
