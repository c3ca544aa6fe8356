"""How long a promotion waits for a live generation that is behind."""

import pytest

from projections.rebuild import choice
from projections.rebuild.choice import LIVE_S, STILL_S, LeftAlone, LiveWait, OperationRefused
from projections.store.generations import Generation


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    made = Clock()
    monkeypatch.setattr(choice, "time", made)
    return made


def wait(live_version: int) -> LiveWait:
    return LiveWait(Generation("projections_1", live_version, 4, "live"), Generation("projections_2", 3, 4, "ready"))


def test_rows_of_these_folds_are_waited_for_and_then_the_projections_are_asked_after(clock):
    waiting = wait(3)
    for _ in range(int(LIVE_S)):
        waiting.look(7)
        clock.now += 1
    clock.now += 1
    with pytest.raises(OperationRefused, match="7 records behind projections_2 and does not come up: are the projections running"):
        waiting.look(7)


def test_rows_of_other_folds_that_stand_still_count_as_left_alone(clock):
    waiting = wait(2)
    waiting.look(7)
    clock.now += STILL_S + 0.1
    with pytest.raises(LeftAlone, match="of fold version 2 and 7 records behind projections_2"):
        waiting.look(7)


def test_rows_of_other_folds_that_come_nearer_are_waited_for_as_long_as_any(clock):
    waiting = wait(2)
    for ahead in range(int(LIVE_S), 0, -1):
        waiting.look(ahead)
        clock.now += 1
    clock.now += 1
    with pytest.raises(LeftAlone):
        waiting.look(1)
