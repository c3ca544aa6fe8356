"""Orders as they were: each version, each time, by the fold that keeps `order_details`."""

from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_schemas.decoding import NewerSchema
from projections.queries.time_travel import AsOf, AtVersion, order_at
from projections.tables import order_details, order_history
from projections.tables.order_history import HistoryEntry
from tests.support.fetched import counted_run
from tests.support.records import NOON, cancelled, created, rejected, shipped

ORDER = uuid4()


def history_of(*records) -> list[HistoryEntry]:
    return [order_history.evolve(None, counted) for counted in counted_run(records, partition=4)]


def folded(*records):
    row = None
    for counted in counted_run(records, partition=4):
        row = order_details.evolve(row, counted)
    return row


def at(minutes: float):
    return NOON + timedelta(minutes=minutes)


def story(*minutes: float):
    """Placed, a refused command, shipped, cancelled (which no rule allows, but a fold takes it), each that many minutes after noon."""
    times = [at(minute) for minute in minutes]
    return [
        created(ORDER, occurred_at=times[0]),
        rejected(ORDER, version=1, occurred_at=times[1]),
        shipped(ORDER, version=2, occurred_at=times[2]),
        cancelled(ORDER, version=3, occurred_at=times[3]),
    ]


def test_each_version_is_the_fold_of_the_events_up_to_it():
    records = story(0, 1, 2, 3)
    history = history_of(*records)

    assert order_at(history, AtVersion(1)) == folded(records[0])
    assert order_at(history, AtVersion(2)) == folded(*records[:3])
    assert order_at(history, AtVersion(3)) == folded(*records)


@pytest.mark.parametrize("version", [0, 4, 2**40])
def test_before_its_creation_and_beyond_its_last_version_there_is_none(version):
    assert order_at(history_of(*story(0, 1, 2, 3)), AtVersion(version)) is None


@pytest.mark.parametrize(("minute", "version"), [(-0.001, None), (0, 1), (1.5, 1), (2, 2), (2.999, 2), (3, 3), (10**6, 3)])
def test_a_time_shows_what_had_occurred_by_then(minute, version):
    past = order_at(history_of(*story(0, 1, 2, 3)), AsOf(at(minute)))

    assert (past and past.version) == version


@given(st.lists(st.integers(-5, 5), min_size=4, max_size=4), st.integers(-6, 6))
def test_whatever_the_clocks_say_it_is_a_state_that_the_order_was_in(minutes, asked):
    records = story(*minutes)
    states = [None, folded(records[0]), folded(*records[:3]), folded(*records)]
    history = history_of(*records)

    past = order_at(history, AsOf(at(asked)))

    assert past in states
    later = order_at(history, AsOf(at(asked + 1)))
    assert states.index(later) >= states.index(past), "time never goes back"
    events = [record for record in records if record.type != "CommandRejected"]
    assert all(event.occurred_at <= at(asked) for event in events[: past.version if past else 0])


def test_a_refused_command_is_no_order():
    assert order_at(history_of(rejected(ORDER)), AtVersion(0)) is None
    assert order_at(history_of(rejected(ORDER)), AsOf(NOON)) is None
    assert order_at([], AtVersion(1)) is None


def test_a_history_of_several_versions_is_folded_as_the_current_one():
    placed = created(ORDER).encoded().replace(b'"schema_version":2', b'"schema_version":1')
    history = history_of(placed, shipped(ORDER))

    assert orjson.loads(history[0].envelope)["schema_version"] == 1
    assert order_at(history, AtVersion(2)) == folded(placed, shipped(ORDER))


def test_a_record_of_a_later_release_is_not_guessed_at():
    (entry,) = history_of(created(ORDER))
    later = HistoryEntry(entry.order_id, 0, 4, entry.envelope.replace('"schema_version":2', '"schema_version":99'))

    with pytest.raises(NewerSchema):
        order_at([later], AtVersion(1))
