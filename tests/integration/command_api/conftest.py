"""A broker of this folder's own: its tests stop it, freeze it and change its topics."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from command_api.command_log import CommandLog
from infra.kafka.topic_guard import create_topics
from infra.process.health import Health
from infra.process.settings import Settings
from tests.support.embedded import jar_folder
from tools.local_stack.embedded.kafka import EmbeddedKafka


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A fresh broker, about two seconds."""
    with EmbeddedKafka(tmp_path / "kafka", jar_folder=jar_folder()) as kafka:
        yield kafka


@pytest.fixture
async def settings(broker: EmbeddedKafka) -> Settings:
    """On that broker, with its topics made."""
    made = Settings(KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers, ORDERS_REPLICATION=1, ORDERS_PARTITIONS=4, ORDERS_PRODUCE_TIMEOUT=2)
    await create_topics(made)
    return made


@pytest.fixture
def health() -> Health:
    return Health("gateway")


@pytest.fixture
async def open_log(settings: Settings, health: Health) -> AsyncIterator[Callable[[], Awaitable[CommandLog]]]:
    """Makes a log that runs, without waiting for it to be open; ends it."""
    running: list[asyncio.Task[None]] = []

    async def make() -> CommandLog:
        log = CommandLog(settings, health)
        running.append(asyncio.create_task(log.run()))
        return log

    yield make
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@pytest.fixture
async def log(open_log: Callable[[], Awaitable[CommandLog]]) -> CommandLog:
    """A log that is open."""
    made = await open_log()
    await asyncio.wait_for(made.opened(), 20)
    return made
