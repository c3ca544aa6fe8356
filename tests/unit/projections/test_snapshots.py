"""Whether a snapshot holds a position, and which positions are another log's."""

import pytest

from event_schemas.positions import LogIdentity, Position
from projections.queries.read_snapshot import ForeignPosition, ReadSnapshot

LOG = LogIdentity(3, {0: b"first of 0", 1: b"first of 1"})


def snapshot(next_offsets, first=None):
    held = {partition: LOG.first[partition] for partition, offset in next_offsets.items() if offset > 0 and partition in LOG.first}
    return ReadSnapshot(None, "projections_1", next_offsets, LogIdentity(3, held if first is None else first))  # type: ignore[arg-type]


def test_it_holds_what_is_applied():
    assert snapshot({0: 5, 1: 2, 2: 0}).holds(Position.of(LOG, {0: 5, 1: 1}), LOG)


def test_it_does_not_hold_what_is_not():
    assert not snapshot({0: 5, 1: 2, 2: 0}).holds(Position.of(LOG, {0: 6}), LOG)


def test_a_partition_that_the_position_does_not_name_is_not_waited_for():
    assert snapshot({0: 5, 1: 0, 2: 0}).holds(Position.of(LOG, {0: 5}), LOG)


def test_its_own_position_is_held():
    held = snapshot({0: 5, 1: 2, 2: 0})
    assert held.holds(Position.parse(held.position.token()), LOG)


def test_a_partition_that_it_has_not_begun_is_judged_by_the_log():
    behind = snapshot({0: 5, 1: 0, 2: 0})
    assert not behind.holds(Position.of(LOG, {1: 1}), LOG)
    with pytest.raises(ForeignPosition):
        behind.holds(Position.of(LogIdentity(3, {1: b"another first"}), {1: 1}), LOG)


def test_a_partition_that_neither_has_seen_is_waited_for():
    unseen = LogIdentity(3, {**LOG.first, 2: b"first of 2"})
    assert not snapshot({0: 5, 1: 2, 2: 0}).holds(Position.of(unseen, {2: 1}), LOG)


@pytest.mark.parametrize("other", [LogIdentity(4, LOG.first), LogIdentity(3, {0: b"another", 1: b"first of 1"})])
def test_another_logs_position_is_refused(other):
    with pytest.raises(ForeignPosition):
        snapshot({0: 5, 1: 2, 2: 0}).holds(Position.of(other, {0: 1}), LOG)
