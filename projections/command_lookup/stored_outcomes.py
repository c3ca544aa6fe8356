"""The second source of what became of a command: the read models, asked for one command, a chain, or once for all waiting requests."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString
from uuid import UUID

import orjson
from psycopg.rows import class_row

from event_schemas.codes import Code
from infra.event_log.command_outcomes import Outcome
from infra.http.problems import Problem
from projections.queries.read_models import Read, ReadModels
from projections.queries.read_snapshot import ReadSnapshot
from projections.queries.sql import find_history
from projections.queries.views import Visibility
from projections.store.parked import parked_tables
from projections.tables.command_outcomes import TABLE, CommandOutcome
from projections.tables.registry import TABLES

MOST = 100
"""Commands that one trace shows: the earliest of them."""
LOOK_S = 0.03
"""Age from which on a question is looked up. A new command's outcome usually comes from the log's end before, and is never looked up."""
_BETWEEN_S = 0.1
"""Pause between two looks while questions are open: a busy gateway looks ten times a second, however many there are."""
_AWAY_S = 0.2
_NO_ANSWER = "PostgreSQL has not answered yet: try again, nothing is lost"

_BY_ID = "select {columns} from {table} where command_id = any(%s)"
_CHAIN = """
select {columns} from {table} where command_id = any(%s) or correlation_id = %s
order by appended_ms, partition, record_offset limit %s
"""


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """An outcome that the read models hold. `position`: the token of its record. `projections`: which read models show the record."""

    row: CommandOutcome
    position: str
    projections: Visibility


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    command_id: UUID
    partition: int
    end: int
    due_at: float
    answer: "asyncio.Future[Outcome | None]"


class StoredOutcomes:
    """The outcomes that the read models hold. Every method but `find_below` raises Problem as any read does."""

    def __init__(self, reads: ReadModels) -> None:
        self._reads = reads
        self._asked: dict[_Question, None] = {}  # the oldest first
        self._looking: asyncio.Task[None] | None = None
        self.refusal: Problem | None = None
        """Why the last look of `find_below` told nothing; None when it did tell up to where the read models hold the log."""

    async def find(self, command_id: UUID, *, position: str | None) -> Read[tuple[StoredOutcome | None, Mapping[int, int]]]:
        """The command's outcome, None when it is not held, and per partition the offset up to which that is complete."""
        return await self._reads.read(partial(_find, command_id=command_id), position=position)

    async def find_chain(self, wanted: str, known: UUID | None) -> Read[Sequence[StoredOutcome]]:
        """The outcomes of a command, an order (`known`: either's id) or a correlation id (`wanted`), in the order of the log's times."""
        return await self._reads.read(partial(_find_chain, wanted=wanted, known=known))

    async def find_below(self, command_id: UUID, *, partition: int, end: int) -> Outcome | None:
        """The command's outcome if its record stands below `end`; returns once the read models hold that much. Cancel it to give up.

        Thousands may ask at once: one look answers all of them, and a question that is cancelled leaves nothing behind.
        """
        loop = asyncio.get_running_loop()
        question = _Question(command_id, partition, end, loop.time() + LOOK_S, loop.create_future())
        self._asked[question] = None
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_asked(), name="past outcomes")
        try:
            return await question.answer
        finally:
            del self._asked[question]

    async def _look_while_asked(self) -> None:
        self.refusal = Problem(Code.READ_MODEL_UNAVAILABLE, _NO_ANSWER)
        while oldest := next(iter(self._open()), None):
            now = asyncio.get_running_loop().time()
            if oldest.due_at > now:
                await asyncio.sleep(oldest.due_at - now)
                continue
            questions = [question for question in self._open() if question.due_at <= now]
            try:
                read = await self._reads.read(partial(_look, questions=questions))
            except Problem as problem:
                self.refusal = problem
                await asyncio.sleep(_AWAY_S)
            else:
                self.refusal = None
                _answer(questions, *read.found)
                await asyncio.sleep(_BETWEEN_S if self._open() else 0)

    def _open(self) -> list[_Question]:
        return [question for question in self._asked if not question.answer.done()]


async def _find(snapshot: ReadSnapshot, *, command_id: UUID) -> tuple[StoredOutcome | None, Mapping[int, int]]:
    rows = await _rows(snapshot, _BY_ID, [command_id])
    return (await _stored(snapshot, rows[0]) if rows else None), snapshot.next_offsets


async def _find_chain(snapshot: ReadSnapshot, *, wanted: str, known: UUID | None) -> Sequence[StoredOutcome]:
    ids = [known] if known else []
    if known is not None:
        ids += [UUID(orjson.loads(entry.envelope)["command_id"]) for entry in await find_history(snapshot, known)]
    if "\0" in wanted:  # PostgreSQL refuses to look for it
        return []
    return [await _stored(snapshot, row) for row in await _rows(snapshot, _CHAIN, ids, wanted, MOST)]


async def _look(snapshot: ReadSnapshot, questions: Sequence[_Question]) -> tuple[Mapping[UUID, CommandOutcome], Mapping[int, int]]:
    """What is known of these commands, and up to where that is complete, both at the same moment."""
    found = await _rows(snapshot, _BY_ID, [question.command_id for question in questions])
    return {row.command_id: row for row in found}, snapshot.next_offsets


def _answer(questions: Sequence[_Question], found: Mapping[UUID, CommandOutcome], next_offsets: Mapping[int, int]) -> None:
    for question in questions:
        row = found.get(question.command_id)
        if question.answer.done():
            continue
        if row is not None:
            question.answer.set_result(Outcome.of_row(row))
        elif next_offsets.get(question.partition, 0) >= question.end:
            question.answer.set_result(None)


async def _rows(snapshot: ReadSnapshot, statement: LiteralString, *parameters: Any) -> list[CommandOutcome]:
    async with snapshot.connection.cursor(row_factory=class_row(CommandOutcome)) as cursor:
        return await (await cursor.execute(snapshot.on(statement, TABLE), parameters)).fetchall()


async def _stored(snapshot: ReadSnapshot, row: CommandOutcome) -> StoredOutcome:
    parked = await parked_tables(snapshot.connection, snapshot.schema, row.order_id, record=(row.partition, row.record_offset))
    # All tables of a generation are written in one transaction: what one holds, all hold or hold back.
    projections: Visibility = {table.name: "parked" if table.name in parked else "visible" for table in TABLES}
    unreadable: Visibility = dict.fromkeys(snapshot.unreadable, "behind")
    return StoredOutcome(row, snapshot.token_after(row.partition, row.record_offset), {**projections, **unreadable})
