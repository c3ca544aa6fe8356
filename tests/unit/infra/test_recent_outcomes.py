"""Waiting for outcomes: everyone gets theirs, and nothing is left behind."""

import asyncio
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from event_schemas.recorded import RecordedMessage
from infra.event_log.command_outcomes import REMEMBERED, RecentOutcomes
from tests.support.records import created


class _Tail:
    """The part of a log tail that RecentOutcomes uses."""

    def subscribe(self, delivered):
        self.delivered = delivered
        return lambda: setattr(self, "delivered", None)

    def on_replaced(self, replaced):
        self.replaced = replaced

    def bring(self, command_id, *, partition=0, offset=0, command_offset=0):
        record = created(command_id=command_id)
        counted = RecordedMessage(record, partition, offset, 0, command_offset, b"")
        self.delivered(partition, [counted], offset + 1)
        return counted


@pytest.fixture
def tail():
    return _Tail()


def _waiting() -> float:
    return REGISTRY.get_sample_value("orders_waiting_requests") or 0.0


async def test_all_who_wait_for_a_command_get_its_record(tail):
    outcomes, command = RecentOutcomes(tail), uuid4()
    with outcomes.expect(command) as first, outcomes.expect(command) as second:
        brought = tail.bring(command)

        assert await first is brought
        assert await second is brought
    assert len(outcomes) == 0


async def test_two_thousand_waits_that_end_or_are_cut_leave_nothing(tail):
    outcomes, before = RecentOutcomes(tail), _waiting()

    async def wait(command):
        with outcomes.expect(command) as waiter:
            await waiter

    commands = [uuid4() for _ in range(2000)]
    tasks = [asyncio.create_task(wait(command)) for command in commands]
    await asyncio.sleep(0)
    assert len(outcomes) == 2000
    for command in commands[::2]:
        tail.bring(command)
    for task in tasks[1::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert len(outcomes) == 0
    assert _waiting() == before


async def test_recent_outcomes_are_remembered_up_to_a_bound(tail):
    outcomes, first = RecentOutcomes(tail), uuid4()
    brought = tail.bring(first)
    assert outcomes.recent(first) is brought

    for _ in range(REMEMBERED):
        tail.bring(uuid4())
    assert outcomes.recent(first) is None


async def test_how_far_a_partition_is_decided(tail):
    outcomes = RecentOutcomes(tail)
    assert outcomes.decided_up_to(3) is None

    tail.bring(uuid4(), partition=3, command_offset=41)
    outcomes.note_decided(3, 7)

    assert outcomes.decided_up_to(3) == 41


async def test_another_log_makes_it_forget(tail):
    outcomes, command = RecentOutcomes(tail), uuid4()
    tail.bring(command)
    tail.replaced()

    assert outcomes.recent(command) is None
    assert outcomes.decided_up_to(0) is None


async def test_closing_cancels_who_still_waits(tail):
    outcomes = RecentOutcomes(tail)
    with outcomes.expect(uuid4()) as waiter:
        outcomes.close()

        assert waiter.cancelled()


async def test_who_comes_after_closing_is_cancelled_at_once(tail):
    outcomes = RecentOutcomes(tail)
    outcomes.close()
    with outcomes.expect(uuid4()) as waiter:
        assert waiter.cancelled()


async def test_from_where_on_everything_is_remembered(tail):
    """What is searched in the log begins there: a record in between would be missed."""
    outcomes = RecentOutcomes(tail)
    assert outcomes.holds_from(0) is None
    tail.delivered(1, [], 7)
    assert outcomes.holds_from(1) == 7

    for offset in range(REMEMBERED + 10):
        tail.bring(uuid4(), partition=0, offset=offset)

    assert outcomes.holds_from(0) == 10
    assert len(outcomes.remembered()) == REMEMBERED
