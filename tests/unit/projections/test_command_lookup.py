"""What is said of a command, by where it is known: each source alone, and the moments in which they disagree."""

import asyncio
from uuid import uuid4

import pytest

from event_schemas.positions import CommandPlace
from event_schemas.topics import COMMANDS, EVENTS
from projections.command_lookup import log_search as command_log_search
from tests.support.fetched import fetched
from tests.unit.projections.outcome_sources import Given


@pytest.fixture
def given() -> Given:
    return Given()


async def test_pending_as_long_as_the_partition_was_not_decided_that_far(given: Given):
    first, place = given.command()
    assert await given.find(first, place) == "pending"
    given.decided(first, seen=True)
    assert await given.find(first, place) == "accepted"
    second, place = given.command()
    assert await given.find(second, place) == "pending"


async def test_without_the_token_nothing_is_known_of_it(given: Given):
    command_id, _ = given.command()
    assert await given.find(command_id) == "command_unknown"


async def test_another_id_at_the_place_was_never_sent(given: Given):
    _, place = given.command()
    assert await given.find(uuid4(), place) == "command_unknown"
    assert await given.find(uuid4(), CommandPlace(0, 99)) == "command_unknown"
    assert await given.find(uuid4(), CommandPlace(7, 0)) == "command_unknown"


async def test_a_process_that_started_later_learns_from_the_log_how_far_it_is_decided(given: Given):
    sent = [given.command() for _ in range(300)]
    given.decided(*(command_id for command_id, _ in sent[:200]), seen=False)
    given.reads.checkpoint = 200

    assert await given.find(*sent[250]) == "pending"
    assert await given.find(*sent[100]) == "accepted"
    assert [run for run in given.reader.runs if run[0] == EVENTS] == [(EVENTS, 150, 200)]


async def test_what_the_read_models_lack_is_found_in_the_log(given: Given):
    sent = [given.command() for _ in range(10)]
    given.decided(*(command_id for command_id, _ in sent), seen=False)
    given.reads.checkpoint = 4

    assert await given.find(*sent[7]) == "accepted"
    assert (EVENTS, 4, 10) in given.reader.runs


async def test_what_is_remembered_is_not_searched_in_the_log(given: Given):
    command_id, _ = given.command()
    given.decided(command_id, seen=True)
    undecided = given.command()

    assert await given.find(*undecided) == "pending"
    assert not [run for run in given.reader.runs if run[0] == EVENTS]


async def test_read_models_that_are_far_behind_are_said(given: Given, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command_log_search, "MOST_SEARCHED", 5)
    sent = [given.command() for _ in range(10)]
    given.decided(*(command_id for command_id, _ in sent), seen=False)

    assert await given.find(*sent[7]) == "read_model_behind"


async def test_a_deleted_command_has_its_outcome_and_no_other(given: Given):
    sent = [given.command() for _ in range(3)]
    given.decided(*(command_id for command_id, _ in sent), seen=False)
    given.reads.checkpoint, given.reader.deleted_below = 3, 2

    assert await given.find(*sent[0]) == "accepted"
    assert await given.find(uuid4(), sent[0][1]) == "command_unknown"


async def test_a_repeat_of_a_command_decided_long_ago_is_not_pending(given: Given):
    """Its own place is beyond what was decided, but its record stands in the log: the guard is to look there first."""
    command_id, _ = given.command()
    given.decided(command_id, seen=False)
    _, again = given.command(command_id)

    assert await given.find(command_id, again) == "accepted"


async def test_with_the_read_models_away_the_log_tells_what_it_can(given: Given):
    decided, place = given.command()
    given.decided(decided, seen=False)
    undecided = given.command()
    given.reads.away = True

    assert await given.find(decided, place) == "accepted"
    assert await given.find(*undecided) == "pending"
    assert await given.find(uuid4()) == "read_model_unavailable"
    assert await given.find(uuid4(), place) == "command_unknown"


async def test_with_the_brokers_away_it_is_not_said_to_be_unknown(given: Given):
    sent = given.command()
    given.reader.broken = True
    assert await given.find(*sent) == "broker_unavailable"
    given.reads.away = True
    assert await given.find(*sent) == "read_model_unavailable"


async def test_a_wait_ends_with_the_outcome(given: Given):
    sent = given.command()
    finding = asyncio.create_task(given.find(*sent, wait_s=10))
    await asyncio.sleep(0.02)
    assert not finding.done()
    given.decided(sent[0], seen=True)

    assert await asyncio.wait_for(finding, 1) == "accepted"
    assert len(given.outcomes) == 0


async def test_a_wait_for_what_may_come_ends_with_the_time(given: Given):
    assert await given.find(uuid4(), wait_s=0.05) == "command_unknown"
    assert await given.find(*given.command(), wait_s=0.05) == "pending"


async def test_what_was_never_sent_is_not_waited_for(given: Given):
    _, place = given.command()
    assert await asyncio.wait_for(given.find(uuid4(), place, wait_s=30), 1) == "command_unknown"


async def test_bytes_that_are_no_command_are_nobodys(given: Given):
    given.reader.topics[COMMANDS].append(fetched(b"not a command", 0))
    assert await given.find(uuid4(), CommandPlace(0, 0)) == "command_unknown"
