"""A feed server without a broker."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.notifier.memory_feed import MemoryFeed, RawClient


@pytest.fixture
async def memory_feed() -> AsyncIterator[MemoryFeed]:
    """On an empty log of two partitions."""
    feed = await MemoryFeed.start()
    yield feed
    await feed.stop()


@pytest.fixture
async def raw(memory_feed: MemoryFeed) -> AsyncIterator[RawClient]:
    """A client that has shaken hands."""
    client = await RawClient.connect(memory_feed.port)
    assert client.status == 101
    yield client
    await client.leave()
