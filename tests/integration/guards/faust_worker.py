"""A hardened Faust app in this process, on a topic and in a group of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.faust.app import FetchApp, hardened_app
from infra.faust.fetches import Progress, Records
from infra.faust.worker import FetchWorker
from infra.kafka.clients import new_producer
from infra.process.settings import Settings


@dataclass
class Notes:
    """A handler without any guard of its own: it takes what comes, from wherever it comes."""

    seen: list[bytes | None] = field(default_factory=list)
    assignments: list[frozenset[int]] = field(default_factory=list)
    fails_once: Exception | None = None

    async def assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        self.assignments.append(partitions)
        return dict.fromkeys(partitions, 0) if len(self.assignments) == 1 else {p: len(self.seen) for p in partitions}

    async def handle(self, records: Records) -> Progress:
        if records and self.fails_once is not None:
            failure, self.fails_once = self.fails_once, None
            raise failure
        self.seen += [record.value for run in records.values() for record in run]
        return Progress({partition: run[-1].offset + 1 for partition, run in records.items() if run})


@asynccontextmanager
async def running(
    settings: Settings, topic: str, handler: Notes, *, group: str, looks_beyond_s: float | None = None
) -> AsyncIterator[FetchApp]:
    """Run an app as the services do. `looks_beyond_s`: the time without confirmation, if not the session timeout."""
    app = hardened_app(settings, app_id=group, topic=topic)
    worker = FetchWorker(app, handler, session_timeout_s=looks_beyond_s or settings.session_timeout_s)  # type: ignore[arg-type]

    @app.agent(app.fetches)  # type: ignore[untyped-decorator]
    async def work(fetches: AsyncIterator[Any]) -> None:
        async for fetch in fetches:
            await worker.take(fetch)

    await app.start()
    try:
        yield app
    finally:
        await asyncio.wait_for(app.stop(), 10)


async def append_all(settings: Settings, topic: str, values: Iterable[bytes]) -> None:
    """Append these, one after the other."""
    producer = new_producer(settings, "guards")
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def until(condition: Callable[[], bool], timeout_s: float = 30.0, tick: Callable[[], Awaitable[None]] | None = None) -> None:
    """Poll until it holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            if tick is not None:
                await tick()
            await asyncio.sleep(0.02)
