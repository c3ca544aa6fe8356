"""The lag is that of the oldest record not applied, whether it was appended before or after this process began."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from event_schemas.positions import LogIdentity
from gateway.log_lag import LogLag
from infra.errors import BrokerAway
from infra.event_log.append_times import PartitionAges


class Tail:
    """A log tail that began at offset 10 of its one partition, a second ago, and has seen one record since."""

    def __init__(self) -> None:
        now_ms = int(time.time() * 1000)
        self.identity = LogIdentity(1)
        self.ends = {0: 11}
        self.ages = {0: PartitionAges([10], [now_ms - 1_000])}
        self.replaced = []
        self.waited_s: list[float] = []

    def on_replaced(self, tell) -> None:
        self.replaced.append(tell)

    async def positioned(self, timeout_s: float) -> None:
        self.waited_s.append(timeout_s)


class Reader:
    """The log before that: each record an hour old, and a second younger than the one before."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.away = False

    async def at(self, _topic: str, _partition: int, offset: int):
        self.asked.append(offset)
        await asyncio.sleep(0)
        if self.away:
            raise BrokerAway("no broker")
        return SimpleNamespace(timestamp=int(time.time() * 1000) - 3_600_000 + 1_000 * offset)

    async def stop(self) -> None: ...


@pytest.fixture
def tail() -> Tail:
    return Tail()


async def test_a_record_from_before_this_process_is_as_old_as_the_log_says(tail):
    lag = LogLag(tail, Reader())
    assert await lag.lag_seconds({0: 3}) == pytest.approx(3_597, abs=2)
    assert await lag.lag_seconds({0: 10}) == pytest.approx(1, abs=0.5)
    assert await lag.lag_seconds({0: 11}) == 0.0


async def test_a_checkpoint_that_stands_still_is_asked_for_once_and_many_readers_ask_together(tail):
    reader = Reader()
    lag = LogLag(tail, reader)
    await asyncio.gather(*(lag.lag_seconds({0: 3}) for _ in range(20)))
    await lag.lag_seconds({0: 3})
    assert reader.asked == [3]


async def test_a_checkpoint_that_moves_is_never_said_to_be_nearer_than_it_is_and_seldom_asked_for(tail):
    reader = Reader()
    lag = LogLag(tail, reader)
    said = [await lag.lag_seconds({0: offset}) for offset in range(3, 10)]
    assert reader.asked == [3]
    assert all(one >= 3_600 - offset - 2 for offset, one in zip(range(3, 10), said, strict=True))


async def test_without_a_broker_it_is_as_old_as_this_process_and_asked_again_later(tail, monkeypatch):
    reader = Reader()
    reader.away = True
    lag = LogLag(tail, reader)
    assert await lag.lag_seconds({0: 3}) == pytest.approx(1, abs=0.5)
    reader.away = False
    monkeypatch.setattr("gateway.log_lag._AGAIN_S", 0.0)
    assert await lag.lag_seconds({0: 3}) == pytest.approx(3_597, abs=2)


async def test_another_log_is_asked_anew(tail):
    reader = Reader()
    lag = LogLag(tail, reader)
    await lag.lag_seconds({0: 3})
    for tell in tail.replaced:
        tell()
    await lag.stop()
    assert reader.asked == [3]
    assert lag._learned == {}


async def test_before_the_logs_end_was_found_nobody_knows_and_only_the_first_answers_wait_for_it(tail, monkeypatch):
    tail.ends = {}
    lag = LogLag(tail, Reader())
    assert await lag.lag_seconds({0: 3}) is None
    monkeypatch.setattr("gateway.log_lag.time.monotonic", lambda: 1e12)
    assert await lag.lag_seconds({0: 3}) is None
    assert tail.waited_s == [pytest.approx(3, abs=0.5), 0.0]


async def test_an_answer_about_the_log_before_is_forgotten(tail):
    lag = LogLag(tail, Reader())
    asking = asyncio.create_task(lag.lag_seconds({0: 3}))
    await asyncio.sleep(0)
    for tell in tail.replaced:
        tell()
    await asking
    assert lag._learned == {}
