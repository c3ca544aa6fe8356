"""The notifier as a process: it says what it waits for, serves, and ends when told."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from websockets.asyncio.client import connect

from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from tests.integration.notifier.conftest import FeedClient
from tools.local_stack.ports import free_port

CHECKOUT = Path(__file__).parents[3]


@asynccontextmanager
async def notifier(kafka: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, int]]:
    """The process, its feed port and its health port."""
    feed_port, health_port = free_port(), free_port()
    own = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "ORDERS_REPLICATION": "1",
        "ORDERS_FEED_PORT": str(feed_port),
        "ORDERS_HEALTH_PORT": str(health_port),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "notifier", env=os.environ | own, cwd=CHECKOUT, stderr=-3)
    try:
        yield process, feed_port, health_port
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def state_of(health_port: int) -> dict[str, Any]:
    """What it says of itself; empty while it does not answer."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{health_port}/health/ready") as answer:
            said: dict[str, Any] = await answer.json()
            return said
    except aiohttp.ClientError:
        return {}


async def wait_for_state(health_port: int, state: str) -> dict[str, Any]:
    """Until it is in that state. Raises TimeoutError after 20 s."""
    async with asyncio.timeout(20):
        while (said := await state_of(health_port)).get("state") != state:
            await asyncio.sleep(0.05)
    return said


async def test_without_a_broker_it_waits_says_so_and_ends_when_told() -> None:
    async with notifier(f"127.0.0.1:{free_port()}") as (process, _, health_port):
        said = await wait_for_state(health_port, "waiting")
        assert "no broker answers" in said["detail"]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_it_serves_and_tells_its_clients_when_it_ends(kafka_servers: str) -> None:
    await create_topics(Settings(KAFKA_BOOTSTRAP_SERVERS=kafka_servers, ORDERS_REPLICATION=1))
    async with notifier(kafka_servers) as (process, feed_port, health_port):
        await wait_for_state(health_port, "running")
        async with connect(f"ws://127.0.0.1:{feed_port}/feed") as connection:
            client = FeedClient(connection)
            await client.subscribe()
            process.send_signal(signal.SIGTERM)
            assert (await client.closed())[0] == 4200
        assert await asyncio.wait_for(process.wait(), 3) == 0
