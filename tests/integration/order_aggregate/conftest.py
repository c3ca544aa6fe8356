"""A broker of this folder's own: its tests use the product's topic names, and some of them break the topics."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.process.settings import Settings
from tests.support.embedded import jar_folder
from tests.support.service_process import ServiceProcess
from tools.local_stack.embedded.kafka import EmbeddedKafka


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A fresh broker, about two seconds."""
    with EmbeddedKafka(tmp_path / "kafka", jar_folder=jar_folder()) as kafka:
        yield kafka


@pytest.fixture
def settings(broker: EmbeddedKafka) -> Settings:
    return Settings(KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers, ORDERS_REPLICATION=1, ORDERS_PARTITIONS=4)


@pytest.fixture
def start_worker(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Starts workers of the aggregate; ends what is left of them."""
    workers: list[ServiceProcess] = []

    def start() -> ServiceProcess:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers), "ORDERS_REPLICATION": "1"}
        workers.append(ServiceProcess("order_aggregate", environment, tmp_path / f"worker-{len(workers)}.log").start())
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()
