"""A projections worker without a broker: it is handed fetches, and stores them in a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import faust
import psycopg
import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from psycopg import sql

from event_schemas.positions import LogIdentity
from event_schemas.topics import EVENTS, TOPICS
from infra.kafka.clients import new_admin, new_producer
from infra.kafka.topic_guard import check_topics, create_topics
from infra.postgres.connections import DatabaseSession, new_snapshot_pool
from infra.postgres.faust_store import ProjectionTable
from infra.process.health import Health
from infra.process.settings import Settings
from projections.live.projector import Projector
from projections.queries.read_models import ReadModels
from projections.store.checkpoints import Checkpoint
from projections.tables.registry import TABLES
from tests.support.embedded import jar_folder
from tests.support.records import TestLog
from tools.local_stack.embedded.kafka import EmbeddedKafka

PARTITIONS = 3
FIRST = "projections_1"
"""The schema of the first generation."""


class FakeWitness:
    """Stands for the comparison with a log; objects to what it is told to object to."""

    def __init__(self) -> None:
        self.objecting: dict[int, str] = {}

    async def objections(self, checkpoints: Sequence[Checkpoint]) -> Mapping[int, str]:
        named = {checkpoint.partition for checkpoint in checkpoints}
        return {partition: why for partition, why in self.objecting.items() if partition in named}


@dataclass
class FakeLogEnd:
    """Stands for the log tail."""

    identity: LogIdentity = field(default_factory=lambda: LogIdentity(PARTITIONS))
    lag: float = 0.0

    async def lag_seconds(self, next_offsets: Mapping[int, int]) -> float:
        return self.lag


@dataclass
class Worker:
    """A projector and all that a test looks at."""

    projector: Projector
    session: DatabaseSession
    health: Health
    witness: FakeWitness
    tables: list[Any]
    letters: list[tuple[ConsumerRecord, str]] = field(default_factory=list)
    before_letter: Callable[[], Awaitable[None]] | None = None

    async def own_all(self) -> Mapping[int, int]:
        return await self.projector.assigned(frozenset(range(PARTITIONS)))

    async def keep_letter(self, record: ConsumerRecord, reason: str) -> None:
        if self.before_letter:
            await self.before_letter()
        self.letters.append((record, reason))


def make_worker(settings: Settings, *, partitions: int = PARTITIONS) -> Worker:
    app = faust.App("test-projections", broker="kafka://nowhere", store="memory://", loghandlers=[])
    health = Health("projections")
    session = DatabaseSession(settings, health, "test-projections")
    tables: list[Any] = [ProjectionTable(app, definition) for definition in TABLES]
    witness = FakeWitness()

    async def dead_letter(record: ConsumerRecord, reason: str) -> None:
        await worker.keep_letter(record, reason)

    projector = Projector(tables=tables, session=session, log=witness, dead_letter=dead_letter, health=health, partitions=partitions)
    worker = Worker(projector, session, health, witness, tables)
    return worker


class Database:
    """The independent eye: a connection of the test's own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)

    def all(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, parameters).fetchall()  # type: ignore[arg-type]

    def run(self, statement: str) -> None:
        self.connection.execute(statement)  # type: ignore[arg-type]

    def rows(self, table: str, schema: str = FIRST) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql.SQL("select * from {} order by 1, 2").format(sql.Identifier(schema, table))).fetchall()

    def everything(self, schema: str = FIRST) -> dict[str, list[tuple[Any, ...]]]:
        names = [*(table.name for table in TABLES), "checkpoints"]
        return {name: sorted(self.rows(name, schema), key=repr) for name in names}

    def next_offsets(self, schema: str = FIRST) -> dict[int, int]:
        return {row[0]: row[1] for row in self.rows("checkpoints", schema)}


@pytest.fixture
def settings(empty_database_url: str) -> Settings:
    return Settings(DATABASE_URL=empty_database_url)


@pytest.fixture
def database(empty_database_url: str) -> Any:
    eye = Database(empty_database_url)
    yield eye
    eye.connection.close()


@pytest.fixture
async def new_worker(settings: Settings) -> AsyncIterator[Callable[[], Worker]]:
    """Makes workers on this test's database; closes them."""
    workers: list[Worker] = []

    def make() -> Worker:
        workers.append(make_worker(settings))
        return workers[-1]

    yield make
    for worker in workers:
        await worker.session.close()


@pytest.fixture
async def worker(new_worker: Callable[[], Worker]) -> Worker:
    """A worker that owns all partitions."""
    made = new_worker()
    await made.own_all()
    return made


@pytest.fixture
def log_end() -> FakeLogEnd:
    return FakeLogEnd()


@pytest.fixture
async def reads(settings: Settings, log_end: FakeLogEnd) -> AsyncIterator[ReadModels]:
    models = ReadModels(settings, new_snapshot_pool(settings, "test-reads", max_size=4), log_end)
    await models.start()
    yield models
    await models.stop()


@pytest.fixture(scope="session")
def log_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker for tests that need the product's own topics; each test gets them empty."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), jar_folder=jar_folder()) as kafka:
        yield kafka


@pytest.fixture
async def stand(log_broker: EmbeddedKafka, empty_database_url: str, database: Database) -> AsyncIterator[Any]:
    """A log, a live generation and a worker: tests/integration/projections/rebuild_kit.py."""
    from tests.integration.projections.rebuild_kit import PARTITIONS as COUNT
    from tests.integration.projections.rebuild_kit import Stand

    made = Settings(
        KAFKA_BOOTSTRAP_SERVERS=log_broker.bootstrap_servers, DATABASE_URL=empty_database_url, ORDERS_REPLICATION=1, ORDERS_PARTITIONS=COUNT
    )
    await make_topics_anew(made)
    producer = new_producer(made, "tests")
    await producer.start()
    stand = Stand(made, TestLog(made, EVENTS, COUNT, producer), database, make_worker(made, partitions=COUNT))
    yield stand
    await stand.worker.session.close()
    await producer.stop()


async def make_topics_anew(settings: Settings) -> None:
    """Empty topics under the product's names."""
    admin: AIOKafkaAdminClient = new_admin(settings, "tests")
    await admin.start()
    try:
        names = [topic.name for topic in TOPICS]
        await admin.delete_topics([name for name in await admin.list_topics() if name in names])
        async with asyncio.timeout(20):
            while set(names) & set(await admin.list_topics()):
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await create_topics(settings)
    async with asyncio.timeout(20):
        while await check_topics(settings):
            await asyncio.sleep(0.05)
