"""What honest clients notice while the security review's programs run in turn, on servers of its own:

python -m tests.integration.gateway.attacks_under_load --seconds 20 --rate 50
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from tests.support.attacks import ORDER
from tests.support.embedded import jar_folder
from tests.support.service_process import CHECKOUT, ServiceProcess, free_port
from tools.local_stack.embedded.kafka import EmbeddedKafka


async def _post(client: httpx.AsyncClient, latencies: list[float], refused: list[int]) -> None:
    began = time.perf_counter()
    answer = await client.post("/orders", json=ORDER)
    latencies.append(1000 * (time.perf_counter() - began))
    if answer.status_code != 202:
        refused.append(answer.status_code)


async def _honest(url: str, rate: float, seconds: float) -> tuple[list[float], list[int]]:
    """Milliseconds of each POST at a fixed rate on kept connections, and the status of those that were not 202."""
    latencies: list[float] = []
    refused: list[int] = []
    async with httpx.AsyncClient(base_url=url, timeout=60) as client, asyncio.TaskGroup() as posts:
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            posts.create_task(_post(client, latencies, refused))
    return latencies, refused


def _shown(name: str, latencies: list[float], refused: list[int]) -> float:
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"{name}: {len(latencies)} POSTs, p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, longest {max(latencies):.0f} ms, not 202: {refused}"
    )
    return cuts[98]


async def _measure(url: str, port: int, pid: int, rate: float, seconds: float) -> None:
    await _honest(url, rate, 3)
    quiet = _shown("quiet", *await _honest(url, rate, seconds))
    before, most = psutil.Process(pid).memory_info().rss, 0
    attacker = subprocess.Popen(
        [sys.executable, "-m", "tests.support.attacks", str(port), str(seconds)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    honest = asyncio.create_task(_honest(url, rate, seconds))
    while not honest.done():
        most = max(most, psutil.Process(pid).memory_info().rss)
        await asyncio.wait([honest], timeout=0.1)
    attacked = _shown("attacked", *honest.result())
    said, _ = attacker.communicate(timeout=60)
    print(f"p99 attacked to quiet: {attacked / quiet:.2f}; gateway + {(most - before) / 2**20:.1f} MiB; load {os.getloadavg()[0]:.1f}")
    print(f"the attackers were answered {said.strip()}")


def main() -> None:
    """Start what is needed, measure, print, end it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedKafka(Path(name) / "kafka", jar_folder=jar_folder()) as kafka:
        port = free_port()
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "ORDERS_REPLICATION": "1",
            "ORDERS_HTTP_PORT": str(port),
            "ORDERS_HOME": name,
        }
        asyncio.run(create_topics(Settings(**environment)))
        services = [ServiceProcess(module, environment, Path(name) / f"{module}.log").start() for module in ("gateway", "order_aggregate")]
        try:
            asyncio.run(services[1].until("running", 60))
            process = services[0].process
            assert process is not None
            asyncio.run(_measure(f"http://127.0.0.1:{port}", port, process.pid, asked.rate, asked.seconds))
        finally:
            for service in services:
                service.end()


if __name__ == "__main__":
    main()
