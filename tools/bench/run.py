"""One run of the bench, or one load: its own servers in a folder of its own, and the results kept."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from aiokafka.errors import KafkaError

from infra.errors import Away
from infra.process.tuning import TooFewFiles, collect_rarely
from tools.bench.feed_load.clients import NotServed
from tools.bench.machine import Machine
from tools.bench.measuring import Part, PartResult, run_part
from tools.bench.parts.accept import Accept, NotAccepted
from tools.bench.parts.decide import Decide
from tools.bench.parts.feed import Feed
from tools.bench.parts.path import PathPart
from tools.bench.parts.project import Project
from tools.bench.parts.rebuild import RebuildPart
from tools.bench.process import BenchHome
from tools.bench.report import Finding, LoadResult, Report, as_object
from tools.bench.servers import Servers
from tools.bench.sizes import Size
from tools.local_stack.process import ServerFailed

PARTS: dict[str, Callable[[Servers, Size], Sequence[Part]]] = {
    "accept": lambda servers, size: [Accept(servers, requests=size.requests)],
    "decide": lambda servers, size: [Decide(servers, commands=size.commands)],
    "project": lambda servers, size: [Project(servers, orders=size.project_orders)],
    "rebuild": lambda servers, size: [RebuildPart(servers, orders=size.rebuild_orders)],
    "feed": lambda servers, size: [Feed(servers, clients=size.clients, events=size.events)],
    "path": lambda servers, size: [PathPart(servers, rate=rate, seconds=size.path_s) for rate in size.rates],
}
"""What each name measures."""


RESULTS = Path(__file__).with_name("results")
FAILURES = (ServerFailed, NotAccepted, NotServed, TooFewFiles, Away, KafkaError, psycopg.Error, TimeoutError, OSError)
Tell = Callable[[str], None]
LIMIT_S = 1800.0
"""A load that takes longer is given up."""


def run_bench(names: Sequence[str], size: Size, *, jar_folder: Path, tell: Tell) -> Report:
    """Measure these parts. A failing part is reported, and the others are still measured. Raises KeyboardInterrupt on Ctrl-C, SIGTERM."""
    machine, at = Machine.here(), datetime.now(UTC)
    home = BenchHome()
    parts: list[PartResult] = []
    failed: list[str] = []
    try:
        with Servers(home, jar_folder) as servers:
            for name in names:
                for part in PARTS[name](servers, size):
                    try:
                        parts.append(_run(run_part(part, rounds=size.rounds, warm_up=size.warm_up, tell=tell)))
                    except FAILURES as error:
                        failed.append(f"{part.name} could not be measured: {type(error).__name__}: {error}")
                        tell(failed[-1])
    finally:
        home.end()
    return Report(at.isoformat(timespec="seconds"), size.name, machine, parts, failed)


def _run(work: Coroutine[Any, Any, PartResult]) -> PartResult:
    async def until_told_to_stop() -> PartResult:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return uvloop.run(until_told_to_stop())
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error


def keep(report: Report, names: Sequence[str], folder: Path = RESULTS) -> Path:
    """Write the result as JSON; returns the file. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = report.at.replace(":", "").replace("+0000", "Z")
    path = folder / f"{moment}-{'-'.join(names) if len(names) < len(PARTS) else 'all'}-{report.size}.json"
    path.write_text(json.dumps(as_object(report), indent=1) + "\n", encoding="utf-8")
    return path


def run_load(name: str, load: Callable[[Servers], Awaitable[Sequence[Finding]]], jar_folder: Path) -> LoadResult:
    """Run it. Raises what the load raises, TimeoutError when it hangs; nothing is left behind."""
    collect_rarely()  # this process plays thousands of clients
    machine, at = Machine.here(), datetime.now(UTC).isoformat(timespec="seconds")
    home = BenchHome()
    try:
        with Servers(home, jar_folder) as servers:
            return LoadResult(at, machine, name, uvloop.run(_within(load(servers))))
    finally:
        home.end()


async def _within(work: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
    async with asyncio.timeout(LIMIT_S):
        return await work


def keep_load(result: LoadResult, folder: Path = RESULTS) -> Path:
    """Write the result as JSON; returns the file. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.at.replace(':', '').replace('+0000', 'Z')}-{result.name}.json"
    path.write_text(json.dumps(result.as_object(), indent=1) + "\n", encoding="utf-8")
    return path
