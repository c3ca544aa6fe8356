"""How long reads take while a rebuild of a long log goes on, and how quickly one projections worker follows such a log.

    python -m tests.integration.projections.reads_during_rebuild --orders 100000 --throttle 5000 --rate 100

On a Kafka and a PostgreSQL of its own: writes the log, lets the projections fill the first generation, reads orders, sums and
pages through a gateway at a steady rate, first with nothing else going on, then during `rebuild --throttle`. Times count from the
moment at which a read was due. An answer that is empty, or another than the first to the same question, is wrong.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import psycopg

from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from tests.integration.projections.rebuilds_under_load import say
from tests.support.embedded import jar_folder
from tests.support.service_process import CHECKOUT, ServiceProcess, free_port
from tools.bench.floors.orders_log import bench_records, write_bench_log
from tools.local_stack.embedded.kafka import EmbeddedKafka
from tools.local_stack.embedded.postgres import EmbeddedPostgres

_KNOWN = 2_000


class Reads:
    """Reads at a steady rate; what they took, and which answers were wrong."""

    def __init__(self, session: aiohttp.ClientSession, rate: float, orders: list[UUID]) -> None:
        self._session, self._rate, self._orders = session, rate, orders
        self._first: dict[str, Any] = {}
        self.wrong: list[str] = []

    async def until(self, ended: asyncio.Event) -> list[float]:
        """Read until then; seconds from due to answered."""
        took: list[float] = []
        due = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while not ended.is_set():
                tasks.create_task(self._one(due, took))
                due += 1 / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        return took

    async def _one(self, due: float, took: list[float]) -> None:
        order = random.choice(self._orders)
        path = random.choice(
            [f"/orders/{order}", f"/orders/{order}", f"/orders/{order}/events", "/orders?limit=20", "/sales?from=2025-01-01&to=2025-01-31"]
        )
        async with self._session.get(path) as answer:
            told = await answer.json()
        took.append(time.monotonic() - due)
        # The log does not grow, so whatever was answered once must be answered always; and an order is found at once.
        if (
            answer.status != 200
            or told != self._first.setdefault(path, told)
            or not (told.get("items") or told.get("order_id") == str(order))
        ):
            self.wrong.append(f"{path}: {answer.status} {str(told)[:200]}")


def told(what: str, seconds: list[float]) -> str:
    """One line."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"reads {what}: {len(seconds)}, p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, longest {max(seconds) * 1000:.0f} ms"


async def filled(url: str, records: int) -> float:
    """Seconds until the live generation holds so many records, from its first on."""
    began: float | None = None
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            try:
                row = await (await connection.execute("select sum(next_offset) from projections_1.checkpoints")).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None
            there = int(row[0]) if row and row[0] else 0
            if there and began is None:
                began = time.monotonic()
            if began is not None and there >= records:
                return time.monotonic() - began
            await asyncio.sleep(0.05)


async def rebuilt(environment: Mapping[str, str], throttle: int, ended: asyncio.Event) -> None:
    """Run the command."""
    command = [str(CHECKOUT / "orders"), "projections", "rebuild", "--throttle", str(throttle), "--json"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    ended.set()
    say(f"  rebuild ended with {process.returncode}: {out.splitlines()[-1].decode()}")


async def measure(settings: Settings, environment: dict[str, str], folder: Path, arguments: argparse.Namespace) -> int:
    """Everything; 1 when an answer was wrong."""
    await create_topics(settings)
    records = await write_bench_log(settings, arguments.orders)
    say(f"{records} records of {arguments.orders} orders; load of the machine {os.getloadavg()[0]:.1f}")
    known = [record.order_id for record, _ in zip(bench_records(min(arguments.orders, _KNOWN)), range(_KNOWN), strict=False)]
    async with AsyncExitStack() as stack:
        for module in ("projections", "gateway"):
            service = ServiceProcess(module, environment, folder / f"{module}.log")
            stack.callback(service.end)
            service.start()
            if module == "projections":
                took = await filled(environment["DATABASE_URL"], records)
                say(f"the live path followed {records} records in {took:.1f} s: {records / took:,.0f} records/s")
        await service.until("running", 60)
        session = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{environment['ORDERS_HTTP_PORT']}"))
        reads = Reads(session, arguments.rate, known)
        ended = asyncio.Event()
        asyncio.get_running_loop().call_later(arguments.before, ended.set)
        say(told("with nothing else going on", await reads.until(ended)))
        ended = asyncio.Event()
        rebuilding = asyncio.create_task(rebuilt(environment, arguments.throttle, ended))
        say(told(f"during rebuild --throttle {arguments.throttle}", await reads.until(ended)))
        await rebuilding
    say(f"wrong answers: {len(reads.wrong)}; load of the machine {os.getloadavg()[0]:.1f}")
    for one in reads.wrong[:5]:
        say(one)
    return int(bool(reads.wrong))


def main() -> int:
    """Servers of its own, then measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--throttle", type=int, default=5_000)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--before", type=float, default=10.0, help="seconds of reads before the rebuild")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orders-reads-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = EmbeddedPostgres(folder / "postgres")
        with EmbeddedKafka(folder / "kafka", jar_folder=jar_folder()) as kafka:
            postgres.start()
            try:
                values = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "DATABASE_URL": postgres.url, "ORDERS_REPLICATION": "1"}
                environment = {**values, "ORDERS_HOME": str(folder / "home"), "ORDERS_HTTP_PORT": str(free_port())}
                settings = Settings(**{**values, "ORDERS_REPLICATION": 1})  # type: ignore[arg-type]  # by their variables' names
                return asyncio.run(measure(settings, environment, folder, arguments))
            finally:
                postgres.stop()
                postgres.erase()


if __name__ == "__main__":
    sys.exit(main())
