"""A log on a real broker, a live generation in a real PostgreSQL, and a worker that follows at the test's pace."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import ConsumerRecord

from event_schemas.events import Record
from event_schemas.topics import EVENTS
from infra.process.settings import Settings
from projections.rebuild.rebuild import Rebuild, RebuildOptions
from projections.verification.repair import Repaired
from projections.verification.verify import Findings, VerifyOptions, verify
from tests.integration.projections.conftest import Database, Worker
from tests.support.records import TestLog, rejected
from tests.support.topics import read_topic
from tools.bench.floors.orders_log import bench_records

PARTITIONS = 4


def some_records(orders: int, seed: int = 1) -> list[Record]:
    """Orders, of which half are shipped or cancelled, with a refusal now and then."""
    chance = random.Random(seed)
    records: list[Record] = []
    for record in bench_records(orders):
        records.append(record)
        if chance.random() < 0.1:
            records.append(rejected(record.order_id, version=record.version, command_id=UUID(int=chance.getrandbits(120))))
    return records


@dataclass
class Stand:
    """Everything that a test of a rebuild needs."""

    settings: Settings
    log: TestLog
    database: Database
    worker: Worker
    fed: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    async def follow(self) -> None:
        """Let the live path apply everything that stands in the log."""
        await self.worker.projector.assigned(frozenset(range(PARTITIONS)))
        by_partition: dict[int, list[ConsumerRecord]] = defaultdict(list)
        for record in await read_topic(self.settings, EVENTS, PARTITIONS):
            if record.offset >= self.fed[record.partition]:
                by_partition[record.partition].append(record)
        for partition, records in by_partition.items():
            await self.worker.projector.handle({partition: records})
            self.fed[partition] = records[-1].offset + 1

    async def rebuild(self, **options: object) -> str:
        """Rebuild; the new generation's schema."""
        generation = await Rebuild(self.settings, RebuildOptions(**options), lambda _: None).run()  # type: ignore[arg-type]
        return generation.schema

    async def verify(self, **options: object) -> tuple[Findings, Repaired | None]:
        """Compare the live generation with the log."""
        return await verify(self.settings, VerifyOptions(**options), lambda *_: None)  # type: ignore[arg-type]

    async def append(self, records: Sequence[Record]) -> None:
        await self.log.append(*records)
