"""What became of a command: one answer for `Prefer: wait`, `GET /commands/{id}` and the trace."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from event_schemas.codes import Code
from event_schemas.positions import CommandPlace, Position
from event_schemas.recorded import RecordedMessage
from event_schemas.topics import COMMANDS
from infra.errors import BrokerAway
from infra.event_log.command_outcomes import Outcome, RecentOutcomes
from infra.event_log.lookup import RecordReader
from infra.event_log.tail import LogTail
from infra.http.problems import Problem
from infra.kafka.partitioner import partition_of
from projections.command_lookup.log_search import CommandAtPlace, LogSearch, TooFar
from projections.command_lookup.status import NOWHERE, decided_view, log_time, pending_view
from projections.command_lookup.stored_outcomes import MOST, StoredOutcome, StoredOutcomes
from projections.queries.read_models import Read, ReadModels
from projections.queries.request_parts import uuid_or_none
from projections.queries.views import CommandView, TraceItem
from projections.tables import command_outcomes

_AGAIN_S = 0.1
"""Pause between two looks at read models that are away or behind."""

TOLD_S = 2.0
"""Longest that a request which breaks a rule waits to be told whether it repeats one that was decided."""

_AWAY = {Code.READ_MODEL_UNAVAILABLE, Code.REBUILDING}
_NOT_CONFIGURED = "no read models are configured: set DATABASE_URL"
_NO_END = "the event log can't be read yet: try again"
_NOT_IN_TIME = f"the read models did not say within {TOLD_S:g} s up to where they hold the log: try again"
_MAY_BE_PENDING = "no outcome of this command is known; it may be pending: follow the Location of its 202"
_NEVER_SENT = "there is no such command at the place that `submitted` names"
_NO_RECORD = "this command ended in no record: look among the dead letters"


@dataclass(frozen=True, slots=True)
class LogSide:
    """The log as one process knows it: its end, what that has brought, and single places on demand."""

    tail: LogTail
    outcomes: RecentOutcomes
    reader: RecordReader


@dataclass(frozen=True, slots=True)
class _Expected:
    """See command_api.waiting.Expected."""

    brought: "asyncio.Future[RecordedMessage]"
    known: Callable[[], Coroutine[Any, Any, Outcome | None]]


@dataclass(frozen=True, slots=True)
class _Held:
    """What the read models know. `next_offsets` is empty while they can't be read, and `away` says why."""

    stored: StoredOutcome | None
    headers: Mapping[str, str]
    next_offsets: Mapping[int, int]
    away: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look found. `refusal` in place of a view; `final`: looking again will find the same."""

    view: CommandView | None
    headers: Mapping[str, str]
    final: bool
    refusal: Problem | None = None


class CommandOutcomes:
    """What one process can tell of commands, from three sources in this order:

    1. the memory of the log's end: what it brought not long ago, `log.outcomes`;
    2. the read models;
    3. the log itself, searched only for a command whose place is named.

    The first that knows the command says how it ended. The read models say in any case which of them show that, and how fresh
    the answer is. Without `reads` they count as away; without `log` they are the only source, and nothing can be waited for.
    """

    def __init__(self, reads: ReadModels | None, log: LogSide | None) -> None:
        self._reads, self._log = reads, log
        self._stored = StoredOutcomes(reads) if reads else None
        self._search = LogSearch(log.tail, log.outcomes, log.reader) if log else None

    # What a POST that waits needs: command_api.waiting.Follower.

    def is_ready(self) -> bool:
        """Whether the tail has found the log's end. Once it has, it goes on there through every outage."""
        return self._log is not None and bool(self._log.tail.ends)

    async def ready(self) -> None:
        """Return once the tail has found the log's end."""
        while not self.is_ready():  # noqa: ASYNC110 - only in the first moments of a process
            await asyncio.sleep(0.02)

    @contextmanager
    def expect(self, command_id: UUID, order_id: UUID) -> Iterator[_Expected]:
        """Register for the record and note where its partition ends, with no await in between. Only when ready."""
        log = self._log
        assert log is not None  # it is ready
        partition = partition_of(str(order_id), len(log.tail.ends))
        with log.outcomes.expect(command_id) as brought:
            yield _Expected(brought, partial(self._known_below, command_id, partition, log.tail.ends[partition]))

    async def _known_below(self, command_id: UUID, partition: int, end: int) -> Outcome | None:
        """The outcome if its record stands before `end`. The log is not searched: that costs half a second, and thousands may wait."""
        recent = self._recent(command_id)
        if recent is not None:
            return Outcome.of(recent)
        return await self._stored.find_below(command_id, partition=partition, end=end) if end and self._stored else None

    async def past_outcome(self, command_id: UUID, order_id: UUID) -> Outcome | None:
        """How the command ended, None when its record does not stand below the log's end. Raises Problem after TOLD_S."""
        log, stored = self._log, self._stored
        if log is None or not log.tail.ends:
            raise Problem(Code.READ_MODEL_UNAVAILABLE, _NO_END, headers={"Retry-After": "1"})
        partition = partition_of(str(order_id), len(log.tail.ends))
        end = log.tail.ends[partition]
        try:
            async with asyncio.timeout(TOLD_S):
                known = await self._known_below(command_id, partition, end)
        except TimeoutError:
            raise _untold(stored.refusal if stored else None) from None
        # Ask after the look, which takes its time: what the log's end brought meanwhile counts.
        recent = self._recent(command_id)
        if known is None and recent is None and end and stored is None:
            raise _not_configured()
        return Outcome.of(recent) if recent is not None else known

    async def visible(self, outcome: Outcome) -> None:
        """Return once the read models hold the outcome."""
        while self._reads is not None:
            try:
                await self._reads.freshness(position=self.position(outcome))
            except Problem:
                await asyncio.sleep(_AGAIN_S)
            else:
                return
        await asyncio.Event().wait()

    def position(self, outcome: Outcome) -> str:
        """The token of the outcome's record."""
        return self._token(outcome.partition, outcome.record_offset)

    # What `GET /commands/{id}` and the trace ask.

    async def find(
        self, command_id: UUID, *, submitted: CommandPlace | None, position: str | None, wait_s: float, gone: "asyncio.Future[None]"
    ) -> Read[CommandView]:
        """The command as it stands, at most `wait_s` seconds from now if it is pending. `submitted`: its place, as its 202 said.

        Raises Problem: `command_unknown`, `read_model_behind`, and what any read raises.
        """
        seen = await self._look(command_id, submitted, position)
        if not seen.final and wait_s > 0 and self._log is not None:
            with self._log.outcomes.expect(command_id) as brought:
                # Look again after registering: the outcome may have come in between.
                seen = await self._look(command_id, submitted, position)
                if not seen.final:
                    waiting: set[asyncio.Future[Any]] = {brought, gone}
                    await asyncio.wait(waiting, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if not seen.final and not gone.done():
                seen = await self._look(command_id, submitted, position)
        if seen.refusal is not None:
            raise seen.refusal
        assert seen.view is not None  # else there is a refusal
        return Read(seen.view, seen.headers)

    async def trace(self, wanted: str) -> Read[Sequence[TraceItem]]:
        """The chains of one command, of an order's or of all that share a correlation id, at most MOST; the read models' come first.

        Raises Problem as any read.
        """
        if self._stored is None:
            raise _not_configured()
        known = uuid_or_none(wanted)
        read = await self._stored.find_chain(wanted, known)
        stored = {one.row.command_id: one for one in read.found}
        recent = {one.record.command_id: one for one in self._recent_chain(wanted, known)}
        found = [self._told(recent.get(command_id), stored.get(command_id)) for command_id in dict.fromkeys([*stored, *recent])]
        return Read([await self._trace_item(*one) for one in found[:MOST]], read.headers)

    async def _look(self, command_id: UUID, submitted: CommandPlace | None, position: str | None) -> _Seen:
        held = await self._held(command_id, position)
        # Ask after the read, which takes its time: what the log's end brought meanwhile counts.
        recent = self._recent(command_id)
        if recent is not None or held.stored is not None:
            return self._decided(recent, held)
        if submitted is None or self._search is None:
            return _Seen(None, held.headers, final=False, refusal=held.away or _unknown(_MAY_BE_PENDING, held.headers))
        try:
            return await self._look_in_the_log(self._search, command_id, submitted, held)
        except BrokerAway as error:
            refusal = held.away or Problem(Code.BROKER_UNAVAILABLE, str(error), headers={**held.headers, "Retry-After": "2"})
            return _Seen(None, held.headers, final=False, refusal=refusal)

    async def _look_in_the_log(self, search: LogSearch, command_id: UUID, place: CommandPlace, held: _Held) -> _Seen:
        command = await search.command_at(place)
        if command is None or (isinstance(command, CommandAtPlace) and command.command_id != command_id):
            return _Seen(None, held.headers, final=True, refusal=_unknown(_NEVER_SENT, held.headers))
        try:
            found = await search.record_of(command_id, place.partition, held.next_offsets.get(place.partition))
        except TooFar as error:
            refusal = held.away or Problem(Code.READ_MODEL_BEHIND, str(error), headers={**held.headers, "Retry-After": "1"})
            return _Seen(None, held.headers, final=False, refusal=refusal)
        decided = await search.decided_up_to(place.partition)
        # Ask last, with no await up to the verdict: this finds what was decided while the log was searched.
        found = found or self._recent(command_id)
        if found is not None:
            return self._decided(found, held)
        if place.offset > decided and isinstance(command, CommandAtPlace):
            return _Seen(pending_view(command_id, command.order_id, command.type), held.headers, final=False)
        return _Seen(None, held.headers, final=True, refusal=held.away or _unknown(_NO_RECORD, held.headers))

    def _decided(self, counted: RecordedMessage | None, held: _Held) -> _Seen:
        view, _, _ = self._told(counted, held.stored)
        return _Seen(view, held.headers, final=True)

    def _told(self, counted: RecordedMessage | None, stored: StoredOutcome | None) -> tuple[CommandView, int, int]:
        """The command, from its record or, without one, from the read models; with the command's own partition and offset."""
        projections = stored.projections if stored is not None else NOWHERE
        if counted is not None:
            row, position = command_outcomes.evolve(None, counted), self._token(counted.partition, counted.offset)
            assert row is not None  # every record ends a command
        else:
            assert stored is not None  # one of the two is known
            row, position = stored.row, stored.position
        return decided_view(row, position, projections), row.partition, row.command_offset

    def _recent(self, command_id: UUID) -> RecordedMessage | None:
        return self._log.outcomes.recent(command_id) if self._log is not None else None

    def _recent_chain(self, wanted: str, known: UUID | None) -> list[RecordedMessage]:
        remembered = self._log.outcomes.remembered() if self._log is not None else ()
        return [
            one
            for one in remembered
            if one.record.correlation_id == wanted or (known and known in (one.record.command_id, one.record.order_id))
        ]

    async def _held(self, command_id: UUID, position: str | None) -> _Held:
        if self._stored is None:
            return _Held(None, {}, {}, _not_configured())
        try:
            read = await self._stored.find(command_id, position=position)
        except Problem as problem:
            if problem.code not in _AWAY:
                raise
            return _Held(None, {}, {}, problem)
        stored, next_offsets = read.found
        return _Held(stored, read.headers, next_offsets)

    async def _trace_item(self, view: CommandView, partition: int, command_offset: int) -> TraceItem:
        try:
            command = await self._log.reader.at(COMMANDS, partition, command_offset) if self._log else None
        except BrokerAway:
            command = None
        return TraceItem(
            **view.model_dump(exclude={"occurred_at", "appended_at"}),
            received_at=view.occurred_at,
            appended_at=log_time(command.timestamp) if command is not None else None,
            decided_at=view.appended_at,
        )

    def _token(self, partition: int, record_offset: int) -> str:
        assert self._log is not None  # the record came from it
        return Position.of(self._log.tail.identity, {partition: record_offset + 1}).token()


def _unknown(detail: str, headers: Mapping[str, str]) -> Problem:
    return Problem(Code.COMMAND_UNKNOWN, detail, headers=headers)


def _untold(refusal: Problem | None) -> Problem:
    """Why read models did not tell in time: what kept them from it, else that they are behind."""
    if refusal is None:
        return Problem(Code.READ_MODEL_BEHIND, _NOT_IN_TIME, headers={"Retry-After": "1"})
    return Problem(refusal.code, refusal.detail, headers={"Retry-After": "2"} | refusal.headers, **refusal.extensions)


def _not_configured() -> Problem:
    return Problem(Code.READ_MODEL_UNAVAILABLE, _NOT_CONFIGURED)
