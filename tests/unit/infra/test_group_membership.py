"""Who was frozen past its session ends; who waits for a coordinator that is away goes on."""

import pytest

from infra.faust.group_membership import RUNS_EVERY_S, Membership

SESSION_S = 6.0


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def membership(clock) -> Membership:
    return Membership(clock)


def _run(membership, clock, seconds: float, *, confirmed: bool) -> None:
    """The process runs; the group confirms it, or does not answer."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += RUNS_EVERY_S
        membership.runs()
        if confirmed:
            membership.confirmed(clock.now)


def test_a_member_that_is_confirmed_did_not_sleep(membership, clock):
    _run(membership, clock, 60, confirmed=True)

    assert membership.slept_through_s(SESSION_S) is None


@pytest.mark.parametrize("noticed_first", [True, False], ids=["by its own tick", "before its own tick"])
def test_one_that_was_frozen_past_its_session_slept_through_it(membership, clock, noticed_first):
    _run(membership, clock, 3, confirmed=True)
    clock.now += 8.5
    if noticed_first:
        membership.runs()

    assert membership.slept_through_s(SESSION_S) == pytest.approx(8.5)


def test_a_freeze_shorter_than_the_session_is_none(membership, clock):
    clock.now += 5
    assert membership.slept_through_s(SESSION_S) is None


def test_one_that_runs_while_the_coordinator_is_away_did_not_sleep(membership, clock):
    _run(membership, clock, 60, confirmed=False)

    assert membership.slept_through_s(SESSION_S) is None


def test_one_that_was_frozen_and_then_finds_no_coordinator_slept(membership, clock):
    clock.now += 4
    _run(membership, clock, 3, confirmed=False)

    assert membership.slept_through_s(SESSION_S) == pytest.approx(7)


def test_an_answer_to_a_heartbeat_that_was_sent_before_the_freeze_confirms_nothing(membership, clock):
    """It lay in the socket while the process was frozen."""
    sent_at = clock.now
    clock.now += 8
    membership.confirmed(sent_at)

    assert membership.slept_through_s(SESSION_S) == pytest.approx(8)


def test_an_answer_to_one_that_was_sent_after_it_does(membership, clock):
    clock.now += 8
    membership.runs()
    membership.confirmed(clock.now)

    assert membership.slept_through_s(SESSION_S) is None
