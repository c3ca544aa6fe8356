"""A fetch is handed to the agent at once when there is room; the wait for room ends with a rebalance."""

import asyncio
from types import SimpleNamespace

import pytest

from infra.faust.transport import Consumer


class _Channel:
    """As much of Faust's channel as the hand-over sees: what one agent iterates over."""

    def __init__(self, room: int) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue(maxsize=room)
        self._subscribers = [self]

    async def put(self, fetch: str) -> None:
        await self.queue.put(fetch)


@pytest.fixture
def consumer():
    made = Consumer.__new__(Consumer)
    made._stopped, made._crashed, made.suspend_flow, made.loop = asyncio.Event(), asyncio.Event(), asyncio.Event(), None
    made.app = SimpleNamespace(fetches=_Channel(room=1))
    return made


async def test_a_fetch_is_there_in_the_same_step_when_there_is_room(consumer):
    tasks = asyncio.all_tasks()

    await consumer._hand_over("first")

    assert consumer.app.fetches.queue.get_nowait() == "first"
    assert asyncio.all_tasks() == tasks


async def test_without_room_it_waits_for_the_agent(consumer):
    await consumer._hand_over("first")
    waiting = asyncio.create_task(consumer._hand_over("second"))
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()

    assert [await consumer.app.fetches.queue.get() for _ in range(2)] == ["first", "second"]
    await asyncio.wait_for(waiting, 5)


async def test_a_rebalance_ends_the_wait_for_room_and_the_fetch_is_dropped(consumer):
    await consumer._hand_over("first")
    waiting = asyncio.create_task(consumer._hand_over("stale"))
    await asyncio.wait({waiting}, timeout=0.05)

    consumer.suspend_flow.set()

    await asyncio.wait_for(waiting, 5)
    assert consumer.app.fetches.queue.get_nowait() == "first"
    assert consumer.app.fetches.queue.empty()
