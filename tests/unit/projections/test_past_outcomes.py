"""Whether a request repeats a command that was decided: told by memory or by read models that hold enough, else honestly not told."""

import asyncio
from uuid import uuid4

import pytest

from event_schemas.codes import Code
from infra.http.problems import Problem
from projections.command_lookup import outcomes as command_outcomes
from projections.command_lookup.outcomes import CommandOutcomes
from tests.unit.projections.outcome_sources import Given

ORDER = uuid4()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    monkeypatch.setattr(command_outcomes, "TOLD_S", 0.2)
    return Given()


async def refused(lookup: CommandOutcomes) -> Problem:
    with pytest.raises(Problem) as told:
        await lookup.past_outcome(uuid4(), ORDER)
    assert told.value.status == 503
    return told.value


async def test_memory_tells_while_the_read_models_are_away(given: Given):
    command_id = uuid4()
    given.decided(command_id, seen=True)
    given.reads.away = True

    for lookup in (given.lookup, given.without_reads()):
        outcome = await lookup.past_outcome(command_id, ORDER)
        assert outcome is not None
        assert (outcome.command_id, outcome.code, outcome.record_offset) == (command_id, None, 0)


async def test_the_read_models_tell_what_memory_lacks(given: Given):
    command_id = uuid4()
    given.decided(command_id, uuid4(), seen=False)
    given.reads.checkpoint = 1
    outcome = await given.lookup.past_outcome(command_id, ORDER)

    assert outcome is not None
    assert (outcome.command_id, outcome.command_offset) == (command_id, 0)


async def test_a_command_is_unknown_once_the_read_models_hold_the_whole_log(given: Given):
    given.decided(uuid4(), seen=False)
    given.reads.checkpoint = 1
    assert await given.lookup.past_outcome(uuid4(), ORDER) is None


async def test_in_a_log_without_records_nothing_was_decided(given: Given):
    assert await given.without_reads().past_outcome(uuid4(), ORDER) is None
    assert await given.lookup.past_outcome(uuid4(), ORDER) is None
    assert given.reads.looks == 0


async def test_what_is_decided_during_the_look_is_told(given: Given):
    given.decided(uuid4(), seen=False)
    given.reads.checkpoint, command_id = 1, uuid4()
    asking = asyncio.create_task(given.lookup.past_outcome(command_id, ORDER))
    await asyncio.sleep(0)
    given.decided(command_id, seen=True)

    outcome = await asking
    assert outcome is not None
    assert outcome.command_id == command_id


async def test_read_models_that_are_behind_do_not_tell(given: Given):
    given.decided(uuid4(), seen=False)
    problem = await refused(given.lookup)
    assert (problem.code, problem.headers) == (Code.READ_MODEL_BEHIND, {"Retry-After": "1"})
    assert given.lookup._stored is not None
    assert not given.lookup._stored._asked


async def test_read_models_that_are_away_say_why(given: Given):
    given.decided(uuid4(), seen=False)
    given.reads.away = True
    problem = await refused(given.lookup)
    assert (problem.code, problem.detail, problem.headers) == (Code.READ_MODEL_UNAVAILABLE, "away", {"Retry-After": "2"})

    # Their last outage is not the reason of today's.
    given.reads.away = False
    assert (await refused(given.lookup)).code == Code.READ_MODEL_BEHIND


async def test_read_models_that_do_not_answer_are_away(given: Given, monkeypatch: pytest.MonkeyPatch):
    async def frozen(*_: object, **__: object) -> None:
        await asyncio.sleep(1)
        raise Problem(Code.READ_MODEL_UNAVAILABLE, "it never answered")

    given.decided(uuid4(), seen=False)
    monkeypatch.setattr(given.reads, "read", frozen)
    problem = await refused(given.lookup)
    assert (problem.code, problem.headers) == (Code.READ_MODEL_UNAVAILABLE, {"Retry-After": "2"})


async def test_without_a_database_or_a_log_nothing_is_told(given: Given):
    given.decided(uuid4(), seen=False)
    for lookup in (given.without_reads(), given.without_log()):
        assert (await refused(lookup)).code == Code.READ_MODEL_UNAVAILABLE
    given.tail.ends = {}
    assert (await refused(given.lookup)).headers == {"Retry-After": "1"}
