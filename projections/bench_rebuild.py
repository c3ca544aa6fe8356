"""`python -m projections.bench_rebuild`: how fast a rebuild is, on a Kafka and a PostgreSQL of its own, beside the least it could cost.

The least: the same number of processes read the same records, decode them and COPY the rows that the rebuild made, without
folding, checkpoints or indexes. Both are timed in the same run, the least before and after.
"""

import argparse
import asyncio
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import psutil
import psycopg
import uvloop
from psycopg import AsyncConnection, sql

from infra.database import connection_arguments
from infra.embedded.kafka import EmbeddedKafka
from infra.embedded.postgres import EmbeddedPostgres
from infra.gate import judge
from infra.kafka import new_reader
from infra.log_reader import log_ends, read_range, stop_quietly
from infra.settings import Settings
from infra.table_copy import copy_rows
from infra.table_sql import table_sql
from infra.topic_guard import create_topics
from projections.bench_log import write_bench_log
from projections.rebuild import Rebuild, RebuildOptions
from projections.rebuild_progress import Progress
from projections.tables import TABLES

_BARE = "bench_least"


@dataclass(frozen=True)
class _Least:
    settings: Settings
    schema: str
    partitions: list[int]


def _least(work: _Least, seconds: "SimpleQueue[float]") -> None:
    seconds.put(uvloop.run(_read_decode_copy(work)))


async def _read_decode_copy(work: _Least) -> float:
    spent = 0.0
    reader = new_reader(work.settings, "bench")
    await reader.start()
    ends = await log_ends(reader)
    async with await AsyncConnection.connect(**connection_arguments(work.settings, "bench"), autocommit=True) as connection:
        for partition in work.partitions:
            rows = {}
            for table in TABLES:
                name = sql.Identifier(work.schema, table.name)
                found = await connection.execute(sql.SQL("select * from {} where partition = %s").format(name), (partition,), binary=True)
                rows[table.name] = [table.row(*values) for values in await found.fetchall()]
            began = time.monotonic()
            async for records in read_range(reader, partition, 0, ends[partition]):
                for record in records:
                    judge(record)
            for table in TABLES:
                await copy_rows(connection, table, _BARE, rows[table.name])
            spent += time.monotonic() - began
    await stop_quietly(reader)
    return spent


def _time_least(settings: Settings, schema: str, workers: int) -> float:
    """Seconds of the slowest process."""
    with psycopg.connect(**connection_arguments(settings, "bench"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(_BARE)))
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(_BARE)))
        for table in TABLES:
            connection.execute(table_sql(table, _BARE).create_bare)
    context = multiprocessing.get_context("spawn")
    seconds: SimpleQueue[float] = context.SimpleQueue()
    shares = [_Least(settings, schema, list(range(number, settings.partitions, workers))) for number in range(workers)]
    processes = [context.Process(target=_least, args=(share, seconds)) for share in shares]
    for process in processes:
        process.start()
    spent = [seconds.get() for _ in processes]
    for process in processes:
        process.join()
    return max(spent)


def _cpu_seconds(server: int | None) -> float:
    """What a server has used, its ended children included; psutil's times of a process that is gone count nothing."""
    if server is None:
        return 0.0
    root, used = psutil.Process(server), 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        used += times.user + times.system + times.children_user + times.children_system
    return used


class _Used:
    """CPU seconds from here on: of this process with its ended children, and of the servers. Independent of who else works here."""

    def __init__(self, servers: Sequence[int]) -> None:
        self._servers = servers
        self._began = self._now()

    def _now(self) -> tuple[float, float]:
        own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
        return ours, sum(map(_cpu_seconds, self._servers))

    def seconds(self) -> tuple[float, float]:
        ours, servers = self._now()
        return ours - self._began[0], servers - self._began[1]


class _Memory:
    """The most memory that this process and its children had together, in MiB (proportional set size: shared pages count once)."""

    def __init__(self) -> None:
        self.most = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            own = psutil.Process()
            mine = [one for one in own.children(recursive=True) if one.name().startswith("python")]
            total = 0
            for process in [own, *mine]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.most = max(self.most, total / 2**20)

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.most


async def _rebuild(settings: Settings, workers: int, say: Callable[[str], None]) -> tuple[str, float, float]:
    """Rebuild once; the schema, seconds in all, and seconds of folding."""
    phases: dict[str, float] = {}
    began = time.monotonic()

    def watch(progress: Progress) -> None:
        if progress.phase not in phases:
            phases[progress.phase] = time.monotonic() - began
            say(f"  {progress.phase} at {phases[progress.phase]:.1f} s, {progress.records} of {progress.total} records")

    generation = await Rebuild(settings, RebuildOptions(workers=workers), watch).run()
    return generation.schema, time.monotonic() - began, phases["indexing"]


def _measure(settings: Settings, orders: int, workers: int, servers: Sequence[int]) -> None:
    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    load = os.getloadavg()[0]
    asyncio.run(create_topics(settings))
    count = asyncio.run(write_bench_log(settings, orders))
    say(f"{count} records of {orders} orders; load of the machine before: {load:.1f}")
    memory, used = _Memory(), _Used(servers)
    schema, whole, folding = asyncio.run(_rebuild(settings, workers, say))
    most = memory.stop()
    ours, theirs = used.seconds()
    least = _time_least(settings, schema, workers)
    say(f"rebuild              {whole:6.1f} s  {count / whole:8,.0f} records/s   (folding alone {count / folding:,.0f} records/s)")
    say(f"read, decode, COPY   {least:6.1f} s  {count / least:8,.0f} records/s")
    say(f"ratio                {least / whole:6.2f}             (folding alone {least / folding:.2f})")
    say(
        f"CPU of the rebuild: {ours:.0f} s of its processes, {theirs:.0f} s of Kafka and PostgreSQL: "
        f"{1e6 * (ours + theirs) / count:.0f} µs a record, so {2 * count / (ours + theirs):,.0f} records/s on 2 cores of its own"
    )
    say(f"memory of its processes at most {most:.0f} MiB; load of the machine after: {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description="Measure a rebuild on servers of its own.")
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    jars = Settings().jar_folder
    with tempfile.TemporaryDirectory(prefix="orders-bench-") as folder:
        Path(folder).chmod(0o755)
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        with EmbeddedKafka(Path(folder) / "kafka", jar_folder=jars) as kafka:
            postgres.start()
            try:
                servers = [*kafka.pids, *([postgres.pid] if postgres.pid else [])]
                values = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "DATABASE_URL": postgres.url, "ORDERS_REPLICATION": 1}
                _measure(Settings(**values), arguments.orders, arguments.workers, servers)  # type: ignore[arg-type]  # by their variables' names
            finally:
                postgres.stop()
                postgres.erase()


if __name__ == "__main__":
    main()
