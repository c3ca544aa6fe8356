"""A feed server without a broker."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.notifier.memory_feed import MemoryFeed, RawClient, StartFeed


@pytest.fixture
def short_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was told why it is ended, and stays, is cut off soon."""
    monkeypatch.setattr("notifier.websocket.connection._FAREWELL_S", 0.1)
    monkeypatch.setattr("notifier.sse.sink._FAREWELL_S", 0.1)


@pytest.fixture
async def start_feed() -> AsyncIterator[StartFeed]:
    """Starts feeds as `MemoryFeed.start` does; they are stopped whatever becomes of the test."""
    started: list[MemoryFeed] = []

    async def start(**how: Any) -> MemoryFeed:
        started.append(await MemoryFeed.start(**how))
        return started[-1]

    yield start
    for feed in started:
        await feed.stop()


@pytest.fixture
async def memory_feed(start_feed: StartFeed) -> MemoryFeed:
    """On an empty log of two partitions."""
    return await start_feed()


@pytest.fixture
async def raw(memory_feed: MemoryFeed) -> AsyncIterator[RawClient]:
    """A client that has shaken hands."""
    client = await RawClient.connect(memory_feed.port)
    assert client.status == 101
    yield client
    await client.leave()
