"""Looking for repeats: one look for all who ask, and an honest "not decided before" only once enough of the log is held."""

import asyncio
from uuid import uuid4

import pytest

from event_schemas.codes import Code
from infra.event_log.command_outcomes import Outcome
from infra.http.problems import Problem
from projections.command_lookup import stored_outcomes
from projections.command_lookup.stored_outcomes import StoredOutcomes
from projections.queries.read_models import Read
from projections.tables.command_outcomes import CommandOutcome, evolve
from tests.support.fetched import counted_run
from tests.support.records import created


class FakeReads:
    """Stands for ReadModels: holds some outcomes, up to some offset, or is away."""

    def __init__(self) -> None:
        self.outcomes: dict[object, CommandOutcome] = {}
        self.next_offsets = {0: 0}
        self.away = False
        self.looks = 0

    async def read(self, _query: object) -> Read:
        self.looks += 1
        await asyncio.sleep(0)
        if self.away:
            raise Problem(Code.READ_MODEL_UNAVAILABLE, "away")
        return Read((self.outcomes, self.next_offsets), {})


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> FakeReads:
    monkeypatch.setattr(stored_outcomes, "_AWAY_S", 0.01)
    return FakeReads()


async def test_a_thousand_questions_cost_a_few_looks(reads):
    (counted,) = counted_run([created()])
    outcome = evolve(None, counted)
    reads.outcomes, reads.next_offsets = {outcome.command_id: outcome}, {0: 9}
    past = StoredOutcomes(reads)

    known = past.find_below(outcome.command_id, partition=0, end=9)
    answers = await asyncio.gather(known, *(past.find_below(uuid4(), partition=0, end=9) for _ in range(1000)))

    assert answers[0] == Outcome.of(counted)
    assert answers[1:] == [None] * 1000
    assert reads.looks <= 2


async def test_nothing_is_said_before_the_read_models_hold_enough(reads):
    """The guard: an early "not decided" would let a repeat wait for a record that never comes."""
    past = StoredOutcomes(reads)
    asking = asyncio.create_task(past.find_below(uuid4(), partition=0, end=1))
    await asyncio.sleep(4 * stored_outcomes.LOOK_S)
    assert not asking.done()
    reads.next_offsets = {0: 1}

    assert await asyncio.wait_for(asking, 1) is None


async def test_what_the_log_brings_soon_is_never_looked_up_though_a_question_is_always_open(reads):
    past = StoredOutcomes(reads)
    asking = [asyncio.create_task(past.find_below(uuid4(), partition=0, end=1)) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(stored_outcomes.LOOK_S / 4)
        asking.append(asyncio.create_task(past.find_below(uuid4(), partition=0, end=1)))
        asking.pop(0).cancel()

    assert len(past._asked) >= 2
    assert reads.looks == 0
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_an_outage_is_waited_out(reads):
    past, reads.away, reads.next_offsets = StoredOutcomes(reads), True, {0: 1}
    asking = asyncio.create_task(past.find_below(uuid4(), partition=0, end=1))
    await asyncio.sleep(3 * stored_outcomes.LOOK_S)
    reads.away = False

    assert await asyncio.wait_for(asking, 1) is None


async def test_questions_that_are_cut_leave_nothing_behind(reads):
    past = StoredOutcomes(reads)
    asking = [asyncio.create_task(past.find_below(uuid4(), partition=0, end=1)) for _ in range(100)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await asyncio.sleep(3 * stored_outcomes.LOOK_S)

    assert not past._asked
    assert past._looking.done()
    assert reads.looks == 0
