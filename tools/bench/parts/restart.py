"""`python -m tools.bench.parts.restart`: how soon a worker of the aggregate decides again on a long log, with snapshots and without.

Timed from the start of the process until a command of every partition, appended before, has its record.
"""

import argparse
import asyncio
import os
import shutil
import sys
import time
from dataclasses import dataclass

from event_schemas.topics import COMMANDS, EVENTS
from infra.process.settings import Settings
from order_aggregate.snapshots import Snapshots
from order_service.terminal import table
from tools.bench.orders import bench_commands, fill, unique_of
from tools.bench.process import BenchHome, clear_leftovers
from tools.bench.servers import BOTH, Servers

_LOOK_S = 0.02
_WITHIN_S = 900.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds until every partition decided again, CPU seconds and memory of the worker then, and the records that it had to fold."""

    seconds: float
    cpu_s: float
    memory_mib: float
    folded: int


async def _wait_for(servers: Servers, records: int) -> None:
    async with asyncio.timeout(_WITHIN_S):
        while sum((await servers.ends(EVENTS)).values()) < records:  # noqa: ASYNC110 - another process makes them
            await asyncio.sleep(_LOOK_S)


async def _tail(servers: Servers, partitions: int) -> int:
    """Records that stand above the snapshots."""
    ends = await servers.ends(EVENTS)
    found = await Snapshots(servers.settings).load(range(partitions))
    return sum(end - (found[number].next_place if number in found else 0) for number, end in ends.items())


async def _restart(servers: Servers, round_number: int, partitions: int) -> Restart:
    records = sum((await servers.ends(EVENTS)).values())
    rows, seen = [], set[int]()
    for row in bench_commands(20_000 * (round_number + 1), partitions, first=10_000_000 * (round_number + 1)):
        if row[0] not in seen:
            seen.add(row[0])
            rows.append(row)
        if len(seen) == partitions:
            break
    await fill(servers.settings, COMMANDS, rows)
    folded = await _tail(servers, partitions)
    worker = servers.process("order_aggregate")
    began = time.perf_counter()
    worker.start()
    try:
        await _wait_for(servers, records + len(rows))
        return Restart(time.perf_counter() - began, worker.cpu_s(), worker.memory_mib(), folded)
    finally:
        worker.stop()


async def _measure(servers: Servers, orders: int, rounds: int) -> dict[str, list[Restart]]:
    partitions = servers.settings.partitions
    await servers.new_topics(*BOTH)
    commands = orders + orders // 19 + 1  # one in twenty is a repeat
    began = time.monotonic()
    await fill(servers.settings, COMMANDS, bench_commands(commands, partitions))
    _say(f"{commands:,} commands written in {time.monotonic() - began:.0f} s; load of the machine: {os.getloadavg()[0]:.1f}")
    began = time.monotonic()
    async with servers.process("order_aggregate") as worker:
        await _wait_for(servers, unique_of(commands))
        _say(f"{unique_of(commands):,} orders decided in {time.monotonic() - began:.0f} s; worker {worker.memory_mib():.0f} MiB")
    found: dict[str, list[Restart]] = {"with snapshots": [], "without": []}
    for number in range(rounds):
        found["with snapshots"].append(await _restart(servers, number, partitions))
    for number in range(rounds, rounds + 1):
        shutil.rmtree(servers.snapshots, ignore_errors=True)
        found["without"].append(await _restart(servers, number, partitions))
    return found


def _report(found: dict[str, list[Restart]]) -> str:
    rows = [("restart", "s", "CPU s", "MiB", "records folded")]
    for name, restarts in found.items():
        rows += [(name, f"{one.seconds:.1f}", f"{one.cpu_s:.1f}", f"{one.memory_mib:.0f}", f"{one.folded:,}") for one in restarts]
    return table(rows)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure on servers of its own, which end with it."""
    parser = argparse.ArgumentParser(description="Time restarts of the aggregate on a long log.")
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="restarts with snapshots")
    asked = parser.parse_args()
    clear_leftovers()
    home = BenchHome()
    try:
        with Servers(home, Settings().jar_folder) as servers:
            _say(_report(asyncio.run(_measure(servers, asked.orders, asked.rounds))))
    finally:
        home.end()


if __name__ == "__main__":
    main()
