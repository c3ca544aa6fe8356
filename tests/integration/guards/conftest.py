"""A broker of this folder's own: its tests use the product's topic names, each a partition of its own."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from aiokafka.errors import KafkaError

from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS, TOPICS
from infra.event_log.reader import log_ends
from infra.kafka.clients import new_producer, new_reader
from infra.kafka.topic_guard import create_topics, wait_for_topics
from infra.process.health import Health
from infra.process.settings import Settings
from tests.integration.guards.bench import PARTITIONS, Bench, Ended
from tests.support.embedded import jar_folder
from tests.support.records import create_topic
from tests.support.service_process import eventually
from tools.local_stack.embedded.kafka import EmbeddedKafka

_numbers = count()


@pytest.fixture(scope="session")
def guards_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), jar_folder=jar_folder()) as kafka:
        yield kafka


@pytest.fixture(scope="session")
async def shared_settings(guards_broker: EmbeddedKafka) -> Settings:
    """On that broker, with the topics made, and every partition there to be read."""
    made = Settings(KAFKA_BOOTSTRAP_SERVERS=guards_broker.bootstrap_servers, ORDERS_REPLICATION=1, ORDERS_PARTITIONS=PARTITIONS)
    letters = next(topic for topic in TOPICS if topic.name == DEAD_LETTERS)
    await create_topic(made, DEAD_LETTERS, config=letters.settings)  # with one partition, where the tests look
    await create_topics(made)
    await wait_for_topics(made, Health("tests"))
    await eventually(lambda: _readable(made), 60)
    return made


async def _readable(settings: Settings) -> bool:
    reader = new_reader(settings, "guards")
    await reader.start()
    try:
        return len(await log_ends(reader, COMMANDS)) == len(await log_ends(reader, EVENTS)) == PARTITIONS
    except KafkaError:
        return False
    finally:
        await reader.stop()


@pytest.fixture
def settings(shared_settings: Settings, tmp_path) -> Settings:
    """With snapshots of this test's own."""
    return shared_settings.model_copy(update={"snapshots": tmp_path / "snapshots"})


@pytest.fixture
async def bench(settings: Settings) -> AsyncIterator[Bench]:
    producer = new_producer(settings, "guards")
    await producer.start()
    yield Bench(settings, next(_numbers), producer)
    await producer.stop()


@pytest.fixture(autouse=True)
def _end_by_exception(monkeypatch):
    """Nothing here ends the test run."""

    def end(reason: str):
        raise Ended(reason)

    monkeypatch.setattr("order_aggregate.record_appender.end_process", end)
