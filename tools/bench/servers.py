"""A Kafka and a PostgreSQL of the bench's own, on free ports in its folder, and the topics on them."""

import asyncio
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from aiokafka.errors import KafkaError

from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_admin, new_reader
from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from tools.bench.process import BenchHome, BenchProcess, cpu_s
from tools.local_stack.embedded.kafka import EmbeddedKafka
from tools.local_stack.embedded.postgres import EmbeddedPostgres
from tools.local_stack.ports import free_port

_NOT_INHERITED = ("KAFKA_", "DATABASE_URL", "ORDERS_")
_GONE_S = 30.0
BOTH = (COMMANDS, EVENTS)
"""The topics of a run that begins with nothing."""


class Servers:
    """Both servers, as a context. `environment` makes a started process use the servers, `settings` make this process use them."""

    def __init__(self, home: BenchHome, jar_folder: Path, *, partitions: int = 12) -> None:
        self.home = home
        self._kafka = EmbeddedKafka(home.folder / "kafka", jar_folder=jar_folder)
        self._postgres = EmbeddedPostgres(home.folder / "postgres")
        self._partitions = partitions
        self._database = ""

    def __enter__(self) -> Self:
        try:
            self._kafka.start()
            self._postgres.start()
            self.home.started(*self.pids.values())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        self._kafka.stop()
        self._postgres.stop()
        self._postgres.erase()

    @property
    def pids(self) -> dict[str, int]:
        """The servers' process numbers, by name."""
        pids = {"kafka": self._kafka.pids[0]}
        return pids | ({"postgres": self._postgres.pid} if self._postgres.pid else {})

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far, by name."""
        return {name: cpu_s(pid) for name, pid in self.pids.items()}

    @property
    def values(self) -> dict[str, str]:
        """The settings by their variables' names."""
        url = self._postgres.url
        return {
            "ORDERS_HOME": str(self.home.folder),
            "ORDERS_SNAPSHOTS": str(self.snapshots),
            "KAFKA_BOOTSTRAP_SERVERS": self._kafka.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "DATABASE_URL": urlunsplit(urlsplit(url)._replace(path=f"/{self._database}")) if self._database else url,
            "ORDERS_PARTITIONS": str(self._partitions),
            "ORDERS_REPLICATION": "1",
            # Nothing is refused for its backlog: a bench fills topics faster than they are read.
            "ORDERS_MAX_BACKLOG_AGE": "86400",
        }

    @property
    def snapshots(self) -> Path:
        """Where the aggregate's snapshots lie."""
        return self.home.folder / "snapshots"

    @property
    def settings(self) -> Settings:
        """The settings for this process's own clients."""
        return Settings(**self.values)  # type: ignore[arg-type]  # by their variables' names

    @property
    def environment(self) -> dict[str, str]:
        """The environment of processes of these servers; nothing of the user's own stack is passed on."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        return inherited | self.values | {"PYTHONUNBUFFERED": "1"}

    def process(self, module: str, *arguments: str, **variables: str) -> BenchProcess:
        """`python -m MODULE`, not started, with a health port and ports of its own."""
        ports: set[int] = set()
        for _ in range(3):
            ports.add(free_port(ports))
        names = ("ORDERS_HEALTH_PORT", "ORDERS_HTTP_PORT", "ORDERS_FEED_PORT")
        own = {name: str(port) for name, port in zip(names, sorted(ports), strict=True)}
        return BenchProcess(self.home, module, arguments, self.environment | own | variables)

    def use_new_database(self) -> None:
        """An empty database from now on."""
        self._database = f"bench_{time.monotonic_ns()}"
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute(f"create database {self._database}")

    async def new_topics(self, *names: str, partitions: int | None = None) -> None:
        """The project's topics; the named ones are made anew, empty. `partitions`: of all topics from now on."""
        self._partitions = partitions or self._partitions
        settings = self.settings
        admin = new_admin(settings, "order-bench")
        await admin.start()
        try:
            there = set(await admin.list_topics()) & set(names)
            if there:
                await admin.delete_topics(sorted(there))
                async with asyncio.timeout(_GONE_S):
                    while set(await admin.list_topics()) & there:  # noqa: ASYNC110 - the broker tells no one
                        await asyncio.sleep(0.05)
            await _created(settings)
        finally:
            await admin.close()

    async def ends(self, topic: str = EVENTS) -> dict[int, int]:
        """Where each partition of a topic ends."""
        reader = new_reader(self.settings, "order-bench")
        await reader.start()
        try:
            return await log_ends(reader, topic)
        finally:
            await stop_quietly(reader)


async def _created(settings: Settings) -> None:
    """Create the topics; try again, because a topic that was just deleted may be in the way for a moment."""
    async with asyncio.timeout(_GONE_S):
        while True:
            try:
                await create_topics(settings)
                return
            except KafkaError:
                await asyncio.sleep(0.1)
