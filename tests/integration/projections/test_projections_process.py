"""The projections as a process on a real broker and a real PostgreSQL."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from event_schemas.topics import DEAD_LETTERS, EVENTS
from infra.kafka.clients import new_producer
from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from tests.integration.projections.conftest import Database
from tests.support.embedded import jar_folder
from tests.support.records import TestLog, created, shipped
from tests.support.service_process import ServiceProcess, eventually
from tests.support.topics import read_topic
from tools.local_stack.embedded.kafka import EmbeddedKafka


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of this file's own: it uses the product's topic names."""
    with EmbeddedKafka(tmp_path / "kafka", jar_folder=jar_folder()) as kafka:
        yield kafka


@pytest.fixture
def settings(broker: EmbeddedKafka, empty_database_url: str) -> Settings:
    return Settings(
        KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers, DATABASE_URL=empty_database_url, ORDERS_REPLICATION=1, ORDERS_PARTITIONS=4
    )


@pytest.fixture
async def log(settings: Settings):
    await create_topics(settings)
    producer = new_producer(settings, "tests")
    await producer.start()
    made = TestLog(settings, EVENTS, 4, producer)
    yield made
    await made.close()


@pytest.fixture
def start_worker(settings: Settings, empty_database_url: str, tmp_path: Path) -> Iterator[Callable[[], ServiceProcess]]:
    workers: list[ServiceProcess] = []

    def start() -> ServiceProcess:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
            "DATABASE_URL": empty_database_url,
            "ORDERS_REPLICATION": "1",
        }
        workers.append(ServiceProcess("projections", environment, tmp_path / f"worker-{len(workers)}.log").start())
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


async def _has_rows(database: Database, table: str, count: int, timeout_s: float = 20.0) -> None:
    async def there() -> bool:
        made = database.all("select to_regclass(%s) is not null", f"projections_1.{table}")[0][0]
        return bool(made) and len(database.rows(table)) >= count

    await eventually(there, timeout_s, lambda: f"{table} has too few rows")
    assert len(database.rows(table)) == count


async def test_each_record_is_applied_once_through_a_stop_and_a_kill(log, start_worker, database):
    orders = [created() for _ in range(50)]
    await log.append(*orders)
    worker = start_worker()
    await _has_rows(database, "order_history", 50)

    assert worker.stop() == 0
    await log.append(*[shipped(order.order_id) for order in orders[:20]])
    worker = start_worker()
    await _has_rows(database, "order_history", 70)
    worker.send(signal.SIGKILL)
    await log.append(*[created() for _ in range(30)])
    start_worker()
    await _has_rows(database, "order_history", 100)

    assert sum(row[3] for row in database.rows("daily_sales")) == 80
    assert sum(database.next_offsets().values()) == 100


async def test_bytes_that_no_one_can_read_end_among_the_dead_letters_unchanged(log, start_worker, settings, database):
    await log.append_bytes(0, b"\xff not JSON", key=b"junk", headers=[("hand", b"made")])
    order = created()
    await log.append(order)
    start_worker()

    await _has_rows(database, "order_details", 1)

    (letter,) = await read_topic(settings, DEAD_LETTERS, 4)
    assert (letter.key, letter.value) == (b"junk", b"\xff not JSON")
    assert ("hand", b"made") in letter.headers


async def test_read_models_are_not_continued_from_another_log(log, start_worker, database):
    await log.append(*[created() for _ in range(20)])
    worker = start_worker()
    await _has_rows(database, "order_history", 20)
    worker.stop()

    # To a checkpoint, another log is one with another record where its last one stood.
    database.run(f"update projections_1.checkpoints set last_record_id = '{uuid4()}' where next_offset > 0")
    said = await start_worker().until("waiting")
    assert "the read models hold record" in str(said)
    assert "./orders projections rebuild" in str(said)

    # The same worker looks again: now a log that is too short.
    database.run("update projections_1.checkpoints set next_offset = next_offset + 1000 where next_offset > 0")
    before = database.everything()
    await log.append(*[created() for _ in range(20)])
    said = await start_worker().until("waiting")
    assert "the log ends at" in str(said)
    assert database.everything() == before
