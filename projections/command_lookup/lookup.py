"""What became of a command, from wherever it is known: the read models, the log's end in memory, the log itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from event_schemas.codes import Code
from event_schemas.positions import CommandPlace, Position
from event_schemas.recorded import RecordedMessage
from infra.errors import BrokerAway
from infra.event_log.command_outcomes import Outcomes
from infra.event_log.lookup import RecordReader
from infra.event_log.tail import LogTail
from infra.http.problems import Problem
from projections.command_lookup.log_search import CommandAtPlace, LogSearch, TooFar
from projections.command_lookup.status import command_view, pending_view, view_behind
from projections.queries.read_models import Read, ReadModels
from projections.queries.read_snapshot import Snapshot
from projections.queries.views import CommandView

_AWAY = {Code.READ_MODEL_UNAVAILABLE, Code.REBUILDING}
_MAY_BE_PENDING = "no outcome of this command is known; it may be pending: follow the Location of its 202"
_NEVER_SENT = "there is no such command at the place that `submitted` names"
_NO_RECORD = "this command ended in no record: look among the dead letters"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look found. `refusal` in place of a view; `final`: looking again will find the same."""

    view: CommandView | None
    headers: Mapping[str, str]
    final: bool
    refusal: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """What the read models know. `next_offsets` is empty while they can't be read, and `away` says why."""

    view: CommandView | None
    headers: Mapping[str, str]
    next_offsets: Mapping[int, int]
    away: Problem | None = None


@dataclass(frozen=True, slots=True)
class LogSide:
    """The log as one process knows it: its end, what that has brought, and single places on demand."""

    tail: LogTail
    outcomes: Outcomes
    reader: RecordReader


class CommandLookup:
    """Looks commands up for one process. Without `log`, only in the read models."""

    def __init__(self, reads: ReadModels, log: LogSide | None) -> None:
        self._reads, self._log = reads, log
        self._search = LogSearch(log.tail, log.outcomes, log.reader) if log else None

    async def find(
        self, command_id: UUID, *, submitted: CommandPlace | None, position: str | None, wait_s: float, gone: "asyncio.Future[None]"
    ) -> Read[CommandView]:
        """The command as it stands, at most `wait_s` seconds from now if it is pending. `submitted`: its place, as its 202 said.

        Raises Problem: `command_unknown`, `read_model_behind`, and what any read raises.
        """
        seen = await self._look(command_id, submitted, position)
        if not seen.final and wait_s > 0 and self._log is not None:
            with self._log.outcomes.expect(command_id) as brought:
                # Looked at again after registering: in between it may have come.
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

    async def freshness(self) -> Mapping[str, str]:
        """The headers of an answer that looks nothing up. Raises Problem as any read."""
        return (await self._reads.read(_nothing)).headers

    async def _look(self, command_id: UUID, submitted: CommandPlace | None, position: str | None) -> _Seen:
        held = await self._held(command_id, position)
        if held.view is not None:
            return _Seen(held.view, held.headers, final=True)
        if self._log is not None and (recent := self._log.outcomes.recent(command_id)) is not None:
            return _behind(self._log, recent, held)
        if submitted is None or self._log is None or self._search is None:
            return _Seen(None, held.headers, final=False, refusal=held.away or _unknown(_MAY_BE_PENDING, held.headers))
        try:
            return await _look_in_the_log(self._log, self._search, command_id, submitted, held)
        except BrokerAway as error:
            refusal = held.away or Problem(Code.BROKER_UNAVAILABLE, str(error), headers={**held.headers, "Retry-After": "2"})
            return _Seen(None, held.headers, final=False, refusal=refusal)

    async def _held(self, command_id: UUID, position: str | None) -> _Held:
        try:
            read = await self._reads.read(partial(_view_and_offsets, command_id=command_id), position=position)
        except Problem as problem:
            if problem.code not in _AWAY:
                raise
            return _Held(None, {}, {}, problem)
        view, next_offsets = read.found
        return _Held(view, read.headers, next_offsets)


async def _look_in_the_log(log: LogSide, search: LogSearch, command_id: UUID, place: CommandPlace, held: _Held) -> _Seen:
    command = await search.command_at(place)
    if command is None or (isinstance(command, CommandAtPlace) and command.command_id != command_id):
        return _Seen(None, held.headers, final=True, refusal=_unknown(_NEVER_SENT, held.headers))
    try:
        found = await search.record_of(command_id, place.partition, held.next_offsets.get(place.partition))
    except TooFar as error:
        refusal = held.away or Problem(Code.READ_MODEL_BEHIND, str(error), headers={**held.headers, "Retry-After": "1"})
        return _Seen(None, held.headers, final=False, refusal=refusal)
    decided = await search.decided_up_to(place.partition)
    # Asked last, with no await up to the verdict: what was decided while the log was searched is here.
    found = found or log.outcomes.recent(command_id)
    if found is not None:
        return _behind(log, found, held)
    if place.offset > decided and isinstance(command, CommandAtPlace):
        return _Seen(pending_view(command_id, command.order_id, command.type), held.headers, final=False)
    return _Seen(None, held.headers, final=True, refusal=held.away or _unknown(_NO_RECORD, held.headers))


def _behind(log: LogSide, counted: RecordedMessage, held: _Held) -> _Seen:
    token = Position.of(log.tail.identity, {counted.partition: counted.offset + 1}).token()
    return _Seen(view_behind(counted, token), held.headers, final=True)


def _unknown(detail: str, headers: Mapping[str, str]) -> Problem:
    return Problem(Code.COMMAND_UNKNOWN, detail, headers=headers)


async def _view_and_offsets(snapshot: Snapshot, *, command_id: UUID) -> tuple[CommandView | None, Mapping[int, int]]:
    return await command_view(snapshot, command_id=command_id), snapshot.next_offsets


async def _nothing(_: Snapshot) -> None:
    """Only how fresh the read models are is asked."""
