"""The pure parts of the log tail: ages, those who wait, and which log it is."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_schemas.positions import LogIdentity
from infra.event_log import tail as log_tail
from infra.event_log.append_times import PartitionAges
from infra.event_log.offset_waiters import Reached
from infra.event_log.tail import LogTail
from infra.event_log.tail_watch import Stillness, why_other
from infra.process.health import Health
from infra.process.settings import Settings


def test_the_age_of_an_offset_is_that_of_its_append() -> None:
    ages = PartitionAges([0], [1_000])
    for offset, timestamp in [(5, 2_000), (6, 2_050), (7, 9_000)]:
        ages.remember(offset, timestamp)
    assert [ages.appended_ms(offset) for offset in (0, 4, 5, 6, 7, 100)] == [1_000, 1_000, 2_000, 2_000, 9_000, 9_000]
    assert PartitionAges().appended_ms(3) is None


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=6_000))
def test_ages_stay_bounded_and_are_never_too_young(gaps: list[int]) -> None:
    ages, now, appended = PartitionAges(), 0, []
    for offset, gap in enumerate(gaps):
        now += gap
        appended.append(now)
        ages.remember(offset, now)
    assert len(ages.offsets) == len(ages.timestamps_ms) <= 2_048
    assert ages.offsets == sorted(ages.offsets)
    for offset in range(0, len(gaps), 97):
        said = ages.appended_ms(offset)
        assert said is not None
        assert said <= max(appended[offset], appended[0])
    last = ages.appended_ms(len(gaps) - 1)
    assert last is not None
    assert appended[-1] - last <= 100


async def test_waiters_are_told_once_their_offset_is_passed() -> None:
    reached = Reached()
    waiters = {offset: reached.future(0, offset) for offset in (3, 1, 2, 9)}
    other = reached.future(1, 1)
    reached.advance(0, 2)
    assert {offset for offset, waiter in waiters.items() if waiter.done()} == {1, 2}
    reached.advance(0, 100)
    assert all(waiter.done() for waiter in waiters.values())
    assert not other.done()


async def test_those_who_give_up_leave_nothing_behind() -> None:
    reached = Reached()
    for _ in range(1_000):
        reached.future(0, 5).cancel()
        await asyncio.sleep(0)
    assert len(reached) <= 101


KNOWN = LogIdentity(2, {0: b"a"})


@pytest.mark.parametrize(
    ("found", "ends", "other"),
    [
        (LogIdentity(2, {0: b"a"}), {0: 5, 1: 0}, None),
        (LogIdentity(2, {0: b"a", 1: b"b"}), {0: 50, 1: 7}, None),
        (LogIdentity(3, {0: b"a"}), {0: 5, 1: 0, 2: 0}, "3 partitions"),
        (LogIdentity(2, {0: b"z"}), {0: 5, 1: 0}, "another record"),
        (LogIdentity(2), {0: 0, 1: 0}, "another record"),
        (LogIdentity(2, {0: b"a"}), {0: 4, 1: 0}, "ends at 4"),
    ],
)
def test_another_log_is_noticed(found: LogIdentity, ends: dict[int, int], other: str | None) -> None:
    reason = why_other(KNOWN, {0: 5, 1: 0}, found, ends)
    assert reason is None if other is None else other in str(reason)


def test_a_reader_is_stuck_when_there_is_more_and_nothing_comes() -> None:
    still = Stillness(set())
    assert [still.stuck({0: 5, 1: 3}, {0: 9, 1: 3}) for _ in range(3)] == [None, None, 0]


def test_a_partition_may_wait_long_while_others_keep_the_reader_busy() -> None:
    still = Stillness(set())
    looks = [still.stuck({0: 5, 1: look}, {0: 9, 1: 100}) for look in range(20)]
    assert looks[:15] == [None] * 15
    assert looks[15] == 0


def test_a_partition_that_was_closed_is_not_stuck() -> None:
    still = Stillness({0})
    assert [still.stuck({0: 5}, {0: 9}) for _ in range(5)] == [None] * 5


async def test_a_tail_that_nobody_waits_for_pauses_until_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    async def look(**_: object) -> dict[object, object]:
        nonlocal looks
        looks += 1
        return {}

    async def settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    monkeypatch.setattr(log_tail, "_UNHURRIED_S", 3600)
    tail, reader = LogTail(Settings(), "test", health=Health("test")), SimpleNamespace(getmany=look)
    hurried: Any = reader
    reading = asyncio.create_task(tail._read(hurried))
    await settle()
    assert looks > 5

    tail.hurry(False)
    await settle()
    paused_at = looks
    await settle()
    assert looks == paused_at

    tail.hurry(True)
    await settle()
    assert looks > paused_at
    reading.cancel()
