"""One load on servers of the bench's own, with its findings kept."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from infra.process.tuning import collect_rarely
from tools.bench.findings import Finding, LoadResult
from tools.bench.home import BenchHome
from tools.bench.machine import Machine
from tools.bench.run import RESULTS
from tools.bench.servers import Servers

LIMIT_S = 1800.0
"""A load that takes longer is given up."""


def run_load(name: str, load: Callable[[Servers], Awaitable[Sequence[Finding]]], jar_folder: Path) -> LoadResult:
    """Run it. Raises what the load raises, TimeoutError when it hangs; nothing is left behind."""
    collect_rarely()  # thousands of clients are ours too
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
    """Write it as JSON; where it is. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.at.replace(':', '').replace('+0000', 'Z')}-{result.name}.json"
    path.write_text(json.dumps(result.as_object(), indent=1) + "\n", encoding="utf-8")
    return path
