"""Whether a command was decided before: one look into the read models for all who ask, so that a repeat costs its sender no queue."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from infra.event_log.command_outcomes import Outcome
from infra.http.problems import Problem
from projections.queries.read_models import ReadModels
from projections.queries.read_snapshot import Snapshot
from projections.tables.command_outcomes import TABLE, CommandOutcome

LOOK_S = 0.03
"""Pause before the first look. A new command's outcome usually comes from the log's end before the first one, and nobody looks at all."""
_BETWEEN_S = 0.1
"""Pause between two looks while someone always asks: a busy gateway looks ten times a second, however many ask."""
_AWAY_S = 0.2

_OUTCOMES = "select {columns} from {table} where command_id = any(%s)"


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    command_id: UUID
    partition: int
    end: int
    answer: "asyncio.Future[Outcome | None]"


class Past:
    """Looks outcomes up that stand in the log below an offset. Thousands may ask at once; a question that is cut leaves nothing behind."""

    def __init__(self, reads: ReadModels) -> None:
        self._reads = reads
        self._asked: set[_Question] = set()
        self._looking: asyncio.Task[None] | None = None

    async def find(self, command_id: UUID, *, partition: int, end: int) -> Outcome | None:
        """The command's outcome if it stands below `end`; returns once the read models hold that much. Cancel it to give up."""
        question = _Question(command_id, partition, end, asyncio.get_running_loop().create_future())
        self._asked.add(question)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_asked(), name="past outcomes")
        try:
            return await question.answer
        finally:
            self._asked.discard(question)

    async def _look_while_asked(self) -> None:
        await asyncio.sleep(LOOK_S)
        while questions := self._open():
            try:
                read = await self._reads.read(lambda snapshot: _look(snapshot, questions))
            except Problem:
                await asyncio.sleep(_AWAY_S)
            else:
                _answer(questions, *read.found)
                await asyncio.sleep(_BETWEEN_S if self._open() else 0)

    def _open(self) -> list[_Question]:
        return [question for question in self._asked if not question.answer.done()]


async def _look(snapshot: Snapshot, questions: Sequence[_Question]) -> tuple[Mapping[UUID, CommandOutcome], Mapping[int, int]]:
    """What is known of these commands, and up to where that is complete: both of one moment."""
    async with snapshot.connection.cursor(row_factory=class_row(CommandOutcome)) as cursor:
        found = await (await cursor.execute(snapshot.on(_OUTCOMES, TABLE), ([question.command_id for question in questions],))).fetchall()
    return {outcome.command_id: outcome for outcome in found}, snapshot.next_offsets


def _answer(questions: Sequence[_Question], found: Mapping[UUID, CommandOutcome], next_offsets: Mapping[int, int]) -> None:
    for question in questions:
        outcome = found.get(question.command_id)
        if question.answer.done():
            continue
        if outcome is not None:
            question.answer.set_result(_outcome(outcome))
        elif next_offsets.get(question.partition, 0) >= question.end:
            question.answer.set_result(None)


def _outcome(found: CommandOutcome) -> Outcome:
    return Outcome(
        command_id=found.command_id,
        order_id=found.order_id,
        code=found.code,
        detail=found.detail,
        version=found.version,
        partition=found.partition,
        record_offset=found.record_offset,
        command_offset=found.command_offset,
    )
