"""rebuild: how fast a generation is filled from the log, beside reading, decoding and copying the same rows.

`python -m tools.bench.parts.rebuild` measures one large rebuild, on a Kafka and a PostgreSQL of its own:

    python -m tools.bench.parts.rebuild --orders 1000000 --folder /tmp/log --write-only
    python -m tools.bench.parts.rebuild --folder /tmp/log

writes the log first, by itself, and measures later; without `--folder` both happen at once and nothing is kept.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_reader
from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from projections.rebuild.progress import RebuildProgress
from projections.rebuild.rebuild import Rebuild, RebuildOptions
from tools.bench.floors.orders_log import write_bench_log
from tools.bench.floors.rebuild import time_least
from tools.bench.measuring import Metric, Sample
from tools.bench.process import cpu_s, family, resident_mib
from tools.bench.servers import Servers
from tools.local_stack.embedded.kafka import EmbeddedKafka
from tools.local_stack.embedded.postgres import EmbeddedPostgres


class RebuildPart:
    """A log of `orders` orders, two processes."""

    name = "rebuild"
    what = "records of a whole rebuild by two processes, indexes and checkpoints included"
    floor_is = "as many processes read and decode the same records and COPY the rows that the rebuild made, without folding or indexes"
    metrics = (Metric("records/s", "records/s"),)

    def __init__(self, servers: Servers, *, orders: int, workers: int = 2) -> None:
        self._servers, self._orders, self._workers = servers, orders, workers
        self._records = 0
        self._schema = ""

    async def enter(self) -> None:
        """Write the log; the floor copies the rows of a rebuild that is not timed."""
        await self._servers.new_topics(COMMANDS, EVENTS)
        self._records = await write_bench_log(self._servers.settings, self._orders)
        await self.measured()

    async def measured(self) -> Sample:
        """`./orders projections rebuild`, on an empty database."""
        self._servers.use_new_database()
        used = _of_ended_processes()
        self._schema, seconds, folding = await timed_rebuild(self._servers.settings, self._workers, _say_nothing)
        cpu = _of_ended_processes() - used
        return {
            "records/s": self._records / seconds,
            "folding alone, records/s": self._records / folding,
            "CPU µs a record": 1e6 * cpu / self._records,
        }

    async def floor(self) -> Sample:
        """The least that a rebuild could cost; its start and the fetching of the rows are not timed."""
        seconds, _ = await asyncio.to_thread(time_least, self._servers.settings, self._schema, self._workers)
        return {"records/s": self._records / seconds}

    async def leave(self) -> None:
        """End nothing: nothing runs between rounds."""


def _say_nothing(_: str) -> None:
    """The rounds are told, not their phases."""


def _of_ended_processes() -> float:
    """CPU seconds of this process's children that have ended; the workers of a rebuild have when it returns."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


class _Used:
    """CPU seconds from here on: of this process with its ended children, and of the servers. Other programs' work does not count."""

    def __init__(self, servers: Sequence[int]) -> None:
        self._servers = servers
        self._began = self._now()

    def _now(self) -> tuple[float, float]:
        own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
        return ours, sum(map(cpu_s, self._servers))

    def seconds(self) -> tuple[float, float]:
        ours, servers = self._now()
        return ours - self._began[0], servers - self._began[1]


def _is_python(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("python")
    except psutil.Error:
        return False


class _Memory:
    """The most memory that this process and its children had together, in MiB, at most too much (see `resident_mib`).

    Proportional sizes would cost a tenth of a processor here, taken from what is measured.
    """

    def __init__(self) -> None:
        self.most = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            own, *children = family(psutil.Process())
            self.most = max(self.most, resident_mib([own, *(one for one in children if _is_python(one))]))

    def stop(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.most


async def timed_rebuild(settings: Settings, workers: int, say: Callable[[str], None]) -> tuple[str, float, float]:
    """Rebuild once; the schema, seconds in all, and seconds of folding."""
    phases: dict[str, float] = {}
    began = time.monotonic()

    def watch(progress: RebuildProgress) -> None:
        if progress.phase not in phases:
            phases[progress.phase] = time.monotonic() - began
            say(f"  {progress.phase} at {phases[progress.phase]:.1f} s, {progress.records} of {progress.total} records")

    generation = await Rebuild(settings, RebuildOptions(workers=workers), watch).run()
    return generation.schema, time.monotonic() - began, phases["indexing"]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _written(settings: Settings, orders: int) -> int:
    """How many records the log holds; the log is written if it holds none."""
    await create_topics(settings)
    reader = new_reader(settings, "bench")
    await reader.start()
    count = sum((await log_ends(reader)).values())
    await stop_quietly(reader)
    return count or await write_bench_log(settings, orders)


def _measure(settings: Settings, count: int, workers: int, servers: Sequence[int], say: Callable[[str], None]) -> None:
    load = os.getloadavg()[0]
    say(f"{count} records; load of the machine before: {load:.1f}")
    memory, used = _Memory(), _Used(servers)
    schema, whole, folding = asyncio.run(timed_rebuild(settings, workers, say))
    most = memory.stop()
    ours, theirs = used.seconds()
    least, least_cpu = time_least(settings, schema, workers)
    say(f"rebuild              {whole:6.1f} s  {count / whole:8,.0f} records/s   (folding alone {count / folding:,.0f} records/s)")
    say(f"read, decode, COPY   {least:6.1f} s  {count / least:8,.0f} records/s")
    say(f"ratio                {least / whole:6.2f}             (folding alone {least / folding:.2f})")
    say(f"ratio by CPU         {least_cpu / ours:6.2f}             (of the processes alone, without Kafka and PostgreSQL)")
    say(
        f"CPU of the rebuild: {ours:.0f} s of its processes, {theirs:.0f} s of Kafka and PostgreSQL: "
        f"{1e6 * (ours + theirs) / count:.0f} µs a record, so {2 * count / (ours + theirs):,.0f} records/s on 2 cores of its own"
    )
    say(f"memory of its processes at most {most:.0f} MiB; load of the machine after: {os.getloadavg()[0]:.1f}")


def _on_servers(folder: Path, arguments: argparse.Namespace) -> None:
    """Start a Kafka and a PostgreSQL there, and do what is asked."""
    postgres = EmbeddedPostgres(folder / "postgres")
    with EmbeddedKafka(folder / "kafka", jar_folder=Settings().jar_folder) as kafka:
        postgres.start()
        try:
            servers = [*kafka.pids, *([postgres.pid] if postgres.pid else [])]
            values = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "DATABASE_URL": postgres.url, "ORDERS_REPLICATION": 1}
            settings = Settings(**values)  # type: ignore[arg-type]  # by their variables' names
            count = asyncio.run(_written(settings, arguments.orders))
            if arguments.write_only:
                _say(f"{count} records are in {folder}")
            else:
                _measure(settings, count, arguments.workers, servers, _say)
        finally:
            postgres.stop()
            if arguments.folder is None:
                postgres.erase()


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description="Measure a rebuild on servers of its own.")
    parser.add_argument("--orders", type=int, default=1_000_000, help="so many, when the log is written")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the servers keep their data; default: nowhere")
    parser.add_argument("--write-only", action="store_true", help="write the log into the folder, and measure nothing")
    arguments = parser.parse_args()
    if arguments.write_only and arguments.folder is None:
        parser.error("--write-only needs --folder")
    if arguments.folder is not None:
        arguments.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        _on_servers(arguments.folder, arguments)
        return
    with tempfile.TemporaryDirectory(prefix="orders-bench-") as folder:
        Path(folder).chmod(0o755)
        _on_servers(Path(folder), arguments)


if __name__ == "__main__":
    main()
