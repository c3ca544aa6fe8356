"""The gateway as a process of its own, with servers of this folder's own, and the aggregate and the projections behind it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from tests.support.embedded import jar_folder
from tests.support.service_process import ServiceProcess, eventually, free_port
from tools.local_stack.embedded.kafka import EmbeddedKafka
from tools.local_stack.embedded.postgres import EmbeddedPostgres

ORDER: dict[str, Any] = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}


def pytest_configure(config: pytest.Config) -> None:
    """Load the plugin that pyproject.toml keeps from being loaded by every run."""
    config.pluginmanager.import_plugin("schemathesis.pytest.plugin")


@dataclass
class Stack:
    """Everything that a client of the gateway meets."""

    kafka: EmbeddedKafka
    postgres: EmbeddedPostgres
    settings: Settings
    environment: dict[str, str]
    url: str
    folder: Path

    def service(self, module: str, name: str) -> ServiceProcess:
        return ServiceProcess(module, self.environment, self.folder / f"{name}.log")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers with topics, shared by the tests of one file; no service runs yet."""
    folder = tmp_path_factory.mktemp("gateway")
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "postgres")
    with EmbeddedKafka(folder / "kafka", jar_folder=jar_folder()) as kafka:
        postgres.start()
        port = free_port()
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "DATABASE_URL": postgres.url,
            "ORDERS_REPLICATION": "1",
            "ORDERS_PARTITIONS": "4",
            "ORDERS_HTTP_PORT": str(port),
        }
        settings = Settings(**environment)
        asyncio.run(create_topics(settings))
        yield Stack(kafka, postgres, settings, environment, f"http://127.0.0.1:{port}", folder)
        postgres.stop()


@pytest.fixture(scope="module")
async def gateway(stack: Stack) -> AsyncIterator[ServiceProcess]:
    """The gateway, taking orders."""
    process = stack.service("gateway", "gateway").start()

    async def takes_orders() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.post(f"{stack.url}/orders", json=ORDER)).status_code == 202
        except httpx.HTTPError:
            return False

    await eventually(takes_orders, 20, lambda: process.log.read_text()[-2000:])
    yield process
    process.end()


@pytest.fixture(scope="module")
async def workers(stack: Stack, gateway: ServiceProcess) -> AsyncIterator[list[ServiceProcess]]:
    """The aggregate and the projections; the gateway has noticed them."""
    started = [stack.service(module, module).start() for module in ("order_aggregate", "projections")]
    for process in started:
        await process.until("running", 40)
    await gateway.until("running", 20)
    yield started
    for process in started:
        process.end()


@pytest.fixture
async def client(stack: Stack, gateway: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as made:
        yield made
