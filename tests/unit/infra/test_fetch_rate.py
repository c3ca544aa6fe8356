"""A worker that is paced fetches at once after a quiet time, and at its pace while records come."""

import asyncio
from types import SimpleNamespace

import pytest
from faust.types import TP

from infra.faust.transport import Consumer, FetchRate


@pytest.fixture
def slept(monkeypatch):
    """What was slept, on a clock that only sleeping moves."""
    now, slept = [100.0], []

    async def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("infra.faust.transport.time.monotonic", lambda: now[0])
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


async def _fetched(consumer, records):
    async def fetch(_, __):
        return {TP("order-events", 0): records} if records else {}

    consumer._thread = SimpleNamespace(fetch=fetch)
    return await consumer._next_fetch()


async def test_only_a_fetch_that_brought_something_delays_the_next(slept):
    consumer = Consumer.__new__(Consumer)
    consumer.app = SimpleNamespace(source_topic="order-events")
    consumer.assignment_number, consumer.assigned, consumer._openings = 1, frozenset({0}), {0: 1}
    consumer._pace = FetchRate(0.05)

    for records in ([], ["first"], ["second"], [], []):
        assert list((await _fetched(consumer, records)).records.values()) == ([records] if records else [])

    assert slept == [pytest.approx(0.05), pytest.approx(0.05)]


async def test_without_a_pace_nothing_waits(slept):
    pace = FetchRate(0.0)

    pace.fetched()
    await pace.turn()

    assert slept == []
