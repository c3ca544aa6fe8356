"""Clients that come and go while the log grows, over real sockets and without a broker: memory is all that they need."""

import asyncio
import random
from typing import Any

import pytest

from notifier.metrics import PARKS, RESUMES
from tests.support.records import created
from tests.unit.notifier.memory_feed import MemoryFeed, RawClient, StartFeed


def resumes(tier: str) -> float:
    """So far."""
    return float(RESUMES.labels(tier)._value.get())


async def test_three_hundred_missed_events_are_read_from_memory(start_feed: StartFeed) -> None:
    feed = await start_feed()
    raw = await RawClient.connect(feed.port)
    await raw.say(type="subscribe")
    position = (await raw.until("caught_up"))["position"]
    await raw.leave()
    records = [created() for _ in range(300)]
    for number, record in enumerate(records):
        feed.log.show(number % 2, record)
    before = resumes("memory")
    again = await RawClient.connect(feed.port)
    await again.say(type="subscribe", start=position)
    events = [await again.until("event") for _ in range(300)]
    assert [event["event"]["id"] for event in events] == [str(record.id) for record in records]
    await again.until("caught_up")
    assert resumes("memory") == before + 1
    await again.leave()


class Wanderer:
    """Reads for a while, stops reading for a while, hangs up, comes back at its last position; must see all, in order, once."""

    def __init__(self, feeds: list[MemoryFeed], seed: int) -> None:
        self.feeds, self.random = feeds, random.Random(seed)
        self.position = "earliest"
        self.seen: list[str] = []
        self.frames: list[dict[str, Any]] = []

    async def wander(self, stop: asyncio.Event) -> None:
        """Until it is told to stop and has seen what there is."""
        while not (stop.is_set() and len(self.seen) == self.feeds[0].log.total()):
            raw = await RawClient.connect(self.random.choice(self.feeds).port)
            await raw.say(type="subscribe", start=self.position)
            seq = 0
            for _ in range(self.random.randint(1, 60)):
                if self.random.random() < 0.02:
                    await asyncio.sleep(0.02)
                try:
                    async with asyncio.timeout(0.2):
                        frame = (await raw.next()).json()
                except TimeoutError:
                    break
                if frame["type"] == "event":
                    seq += 1
                    assert frame["seq"] == seq
                    self.seen.append(frame["event"]["id"])
                self.position = frame["position"]
            await raw.leave()


@pytest.mark.parametrize("ring_mib", [0, 64])
async def test_clients_that_come_and_go_between_two_instances_miss_nothing(start_feed: StartFeed, ring_mib: int) -> None:
    feeds = [await start_feed(partitions=3, ORDERS_FEED_RING=ring_mib) for _ in range(2)]
    feeds[1].log.records = feeds[0].log.records
    wanderers = [Wanderer(feeds, seed) for seed in range(6)]
    stop = asyncio.Event()
    chance = random.Random(7)
    async with asyncio.TaskGroup() as group:
        for wanderer in wanderers:
            group.create_task(wanderer.wander(stop))
        for _ in range(200):
            partition = chance.randrange(3)
            feeds[0].log.append(partition, created())
            for feed in feeds:
                # Each instance sees partitions in an order of its own.
                for seen in chance.sample(range(3), chance.randint(0, 3)):
                    feed.log.show_up_to(seen)
            await asyncio.sleep(0.002)
        for feed in feeds:
            for partition in range(3):
                feed.log.show_up_to(partition)
        stop.set()
    everything = [str(counted.record.id) for run in feeds[0].log.records.values() for counted in run]
    for wanderer in wanderers:
        assert sorted(wanderer.seen) == sorted(everything)
        for run in feeds[0].log.records.values():
            ids = [str(counted.record.id) for counted in run]
            assert [name for name in wanderer.seen if name in set(ids)] == ids


async def test_a_client_that_stops_reading_is_parked_and_misses_nothing(start_feed: StartFeed) -> None:
    feed = await start_feed()
    raw = await RawClient.connect(feed.port, small=True)
    await raw.say(type="subscribe", id="a")
    await raw.until("caught_up")
    await raw.say(type="subscribe", id="b", filter={"types": ["OrderCreated"]})
    await raw.until("caught_up")
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    before = PARKS._value.get()
    shown = 0
    async with asyncio.timeout(20):
        while feed.server.subscriptions:
            feed.log.show(shown % 2, *[created(customer_id="x" * 200) for _ in range(100)])
            shown += 100
            await asyncio.sleep(0)
    assert PARKS._value.get() == before + 2
    written = 2 * sum(len(counted.value) for run in feed.log.records.values() for counted in run)
    assert written < 1024 * 1024, "what the kernel holds for a client that does not read must be bounded too"
    (connection,) = feed.server._clients
    full = connection.transport.get_write_buffer_size()
    feed.log.show(0, *[created() for _ in range(1_000)])
    assert connection.transport.get_write_buffer_size() == full < 512 * 1024
    raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
    seqs: dict[str, list[int]] = {"a": [], "b": []}
    while min(len(seen) for seen in seqs.values()) < shown + 1_000:
        frame = await raw.until("event")
        seqs[frame["id"]].append(frame["seq"])
    assert seqs == {"a": list(range(1, shown + 1_001)), "b": list(range(1, shown + 1_001))}
