"""The three sources of what became of a command: their order, each of them alone, and each taken out."""

import asyncio
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from event_schemas.codes import Code
from event_schemas.positions import CommandPlace
from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.command_outcomes import Outcome
from infra.http.problems import Problem
from projections.command_lookup import outcomes as command_outcomes
from projections.command_lookup.log_search import LogSearch
from projections.command_lookup.outcomes import CommandOutcomes
from projections.command_lookup.status import NOWHERE
from projections.command_lookup.stored_outcomes import LOOK_S, StoredOutcomes
from tests.support.fetched import counted_run
from tests.support.records import created
from tests.unit.projections.outcome_sources import Given

VISIBLE = dict.fromkeys(NOWHERE, "visible")
SOURCES = ["memory", "read models", "log"]


@pytest.fixture
def given() -> Given:
    return Given()


def known_by(given: Given, *sources: str) -> tuple[UUID, CommandPlace]:
    """A command that was decided, which only these sources tell; the others are away or do not know it."""
    command_id, place = given.command()
    given.decided(command_id, seen="memory" in sources)
    given.reads.checkpoint, given.reads.away = 1, "read models" not in sources
    given.reader.broken = "log" not in sources
    return command_id, place


def disagreeing(given: Given) -> tuple[UUID, CommandPlace]:
    """A command of which all three know, each another version: 1 by memory, 2 by the read models, 3 by the log."""
    command_id, place = given.command()
    record = created(command_id=command_id)
    told = [replace(record, version=version) for version in (1, 2, 3)]
    by_memory, by_reads, by_log = (counted_run([one])[0] for one in told)
    given.tail.bring([by_memory])
    given.reads.records, given.reads.checkpoint = {command_id: by_reads}, 1
    given.log_has(by_log.record)
    return command_id, place


async def found(given: Given, command_id: UUID, place: CommandPlace | None):
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return (await given.lookup.find(command_id, submitted=place, position=None, wait_s=0, gone=gone)).found


def take_out(source: str, given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip this source, as if its step were not in the code."""

    async def nothing(*_: object, **__: object) -> None:
        return None

    match source:
        case "memory":
            monkeypatch.setattr(CommandOutcomes, "_recent", lambda *_: None)
            monkeypatch.setattr(CommandOutcomes, "_recent_chain", lambda *_: [])
        case "read models":
            given.reads.records = {}
            monkeypatch.setattr(StoredOutcomes, "find_below", nothing)
        case "log":
            monkeypatch.setattr(LogSearch, "record_of", nothing)


# What `GET /commands/{id}` says.


@pytest.mark.parametrize("source", SOURCES)
async def test_one_source_is_enough_while_the_others_are_away(given: Given, source: str):
    assert await given.find(*known_by(given, source)) == "accepted"


@pytest.mark.parametrize("source", SOURCES)
async def test_without_the_only_source_that_knows_it_is_not_told(given: Given, source: str, monkeypatch: pytest.MonkeyPatch):
    command = known_by(given, source)
    take_out(source, given, monkeypatch)
    assert await given.find(*command) != "accepted"


@pytest.mark.parametrize("away", SOURCES)
async def test_one_source_may_be_away(given: Given, away: str):
    assert await given.find(*known_by(given, *(source for source in SOURCES if source != away))) == "accepted"


@pytest.mark.parametrize(("out", "version"), [([], 1), (["memory"], 2), (["memory", "read models"], 3)])
async def test_the_first_source_that_knows_says_how_it_ended(given: Given, out: list[str], version: int, monkeypatch: pytest.MonkeyPatch):
    command_id, place = disagreeing(given)
    if "memory" in out:
        monkeypatch.setattr(given.outcomes, "holds_from", lambda _: None)
    for source in out:
        take_out(source, given, monkeypatch)
    given.reads.checkpoint = 0 if "read models" in out else 1

    assert (await found(given, command_id, place)).version == version


async def test_the_log_is_not_searched_for_what_an_earlier_source_knows(given: Given):
    for sources in (["memory", "log"], ["read models", "log"]):
        assert await given.find(*known_by(given, *sources)) == "accepted"
        assert given.reader.runs == []
        given = Given()


async def test_what_memory_tells_is_visible_once_the_read_models_hold_it(given: Given):
    command_id, place = known_by(given, "memory", "read models")
    given.reads.checkpoint = 0
    assert (await found(given, command_id, place)).projections == NOWHERE
    given.reads.checkpoint = 1
    assert (await found(given, command_id, place)).projections == VISIBLE


async def test_what_the_log_tells_is_visible_nowhere(given: Given):
    assert (await found(given, *known_by(given, "log"))).projections == NOWHERE


async def test_what_the_end_brings_during_the_read_is_told(given: Given, monkeypatch: pytest.MonkeyPatch):
    """The guard: memory is asked after the read models have answered, which takes its time."""
    command_id, _ = given.command()
    finding = asyncio.create_task(given.find(command_id))
    await asyncio.sleep(0)
    given.decided(command_id, seen=True)
    given.reads.checkpoint = 0

    assert await finding == "accepted"


async def test_without_a_database_the_read_models_count_as_away(given: Given):
    lookup = given.without_reads()
    given.lookup = lookup
    assert await given.find(*known_by(given, "memory")) == "accepted"
    assert await given.find(uuid4()) == "read_model_unavailable"
    with pytest.raises(Problem) as refused:
        await lookup.trace(str(uuid4()))
    assert refused.value.code is Code.READ_MODEL_UNAVAILABLE


async def test_without_a_log_the_read_models_are_the_only_source(given: Given):
    command_id, place = known_by(given, *SOURCES)
    given.lookup = given.without_log()
    assert await given.find(command_id, place) == "accepted"
    assert await given.find(uuid4(), place) == "command_unknown"
    assert not given.lookup.is_ready()


# What a POST that waits is told.


async def known(given: Given, command_id: UUID, within_s: float = 1) -> Outcome | None:
    with given.lookup.expect(command_id, uuid4()) as expected:
        return await asyncio.wait_for(expected.known(), within_s)


async def test_a_wait_is_told_by_memory_without_a_look_at_the_read_models(given: Given):
    command_id, _ = known_by(given, *SOURCES)
    outcome = await known(given, command_id)
    assert outcome is not None
    assert (outcome.command_id, given.reads.looks) == (command_id, 0)


async def test_a_wait_is_told_by_the_read_models_what_memory_lacks(given: Given):
    command_id, _ = known_by(given, "read models")
    outcome = await known(given, command_id)
    assert outcome == Outcome.of(given.reads.records[command_id])


@pytest.mark.parametrize("source", ["memory", "read models"])
async def test_a_wait_is_not_told_without_the_only_source_that_knows(given: Given, source: str, monkeypatch: pytest.MonkeyPatch):
    command_id, _ = known_by(given, source)
    take_out(source, given, monkeypatch)
    if source == "memory":
        with pytest.raises(TimeoutError):  # the read models are away, and asked again and again
            await known(given, command_id, 3 * LOOK_S)
    else:
        assert await known(given, command_id) is None


async def test_a_wait_never_searches_the_log(given: Given):
    """One search costs half a second, and thousands may wait."""
    command_id, _ = known_by(given, "log")
    with pytest.raises(TimeoutError):
        await known(given, command_id, 3 * LOOK_S)
    given.reads.away, given.reads.records = False, {}
    assert await known(given, command_id) is None
    assert given.reader.runs == []


async def test_without_a_database_nothing_is_known_of_the_past_and_the_end_still_brings(given: Given):
    lookup = given.without_reads()
    command_id, _ = given.command()
    with lookup.expect(command_id, uuid4()) as expected:
        assert await expected.known() is None
        given.decided(command_id, seen=True)
        assert expected.brought.result().record.command_id == command_id


async def test_an_outcome_is_visible_once_the_read_models_hold_its_position(given: Given, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command_outcomes, "_AGAIN_S", 0.001)
    command_id, _ = known_by(given, "memory")
    given.reads.checkpoint = 0
    outcome = await known(given, command_id)
    assert outcome is not None
    seeing = asyncio.create_task(given.lookup.visible(outcome))
    for given.reads.away in (True, False):
        await asyncio.sleep(0.02)
        assert not seeing.done()
    given.reads.checkpoint = 1

    await asyncio.wait_for(seeing, 1)


# What the trace shows.


@pytest.mark.parametrize("source", ["memory", "read models"])
async def test_a_trace_is_told_by_either_and_not_without_it(given: Given, source: str, monkeypatch: pytest.MonkeyPatch):
    command_id, _ = known_by(given, source)
    given.reads.away = False
    given.reads.checkpoint = 1 if source == "read models" else 0
    assert [item.command_id for item in (await given.lookup.trace(str(command_id))).found] == [command_id]
    take_out(source, given, monkeypatch)
    assert (await given.lookup.trace(str(command_id))).found == []


async def test_a_trace_tells_a_command_once_in_the_same_order_of_sources(given: Given):
    command_id, _ = disagreeing(given)
    (item,) = (await given.lookup.trace(str(command_id))).found
    assert (item.version, item.projections) == (1, VISIBLE)


@pytest.mark.parametrize("away", [True, False])
async def test_a_trace_takes_the_time_of_the_append_from_the_log_if_it_answers(given: Given, away: bool):
    command_id, _ = known_by(given, *SOURCES)
    given.reader.broken = away
    (item,) = (await given.lookup.trace(str(command_id))).found
    assert (item.appended_at is None) is away
    assert [run[0] for run in given.reader.runs] == ([] if away else [COMMANDS])
    assert EVENTS not in [run[0] for run in given.reader.runs]
