"""`python -m tools.bench.parts.curves FILE`: how decide, project and memory grow, one variable at a time; FILE gets the points as JSON.

One round a point, on servers of its own. `tools.bench.parts.charts` draws the file.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_reader
from infra.process.settings import Settings
from tools.bench.feed_load.clients import subscribe
from tools.bench.feed_load.stage import event, feed_stage
from tools.bench.machine import Machine
from tools.bench.measuring import Part
from tools.bench.orders import fill_commands, unique_of
from tools.bench.parts.decide import Decide
from tools.bench.parts.project import Project
from tools.bench.process import BenchHome, clear_leftovers
from tools.bench.servers import Servers

PARTITIONS, WORKERS, FETCHES = (1, 3, 12, 24, 48), (1, 2), (50, 200, 500, 1_000, 2_000, 4_000)
CLIENTS = (100, 1_000, 3_000, 10_000)
STATES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
_LOOK_S = 0.1
_LONG_S = 900.0
Tell = Callable[[str], None]
Made = Callable[[int], Part]


class Point(NamedTuple):
    """The figures at `x`, by their names."""

    x: float
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one variable."""

    name: str
    points: Sequence[Point]

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "curve": self.name,
            "points": [{"x": x, **{n: float(f"{v:.5g}") for n, v in figures.items()}} for x, figures in self.points],
        }


class Look(NamedTuple):
    """One look at a long run: how many are done, seconds since it began, memory in MiB."""

    done: int
    seconds: float
    memory_mib: float


def along(looks: Sequence[Look], targets: Sequence[int], rate: str) -> list[Point]:
    """At each target that the run reached, the rate over the stretch just before (from two thirds of it on), and the memory there."""
    points = []
    for target in targets:
        reached = [look for look in looks if look.done >= target]
        before = [look for look in looks if look.done <= 2 * target / 3]
        if not reached or not before or reached[0].seconds <= before[-1].seconds:
            continue
        end, begin = reached[0], before[-1]
        speed = (end.done - begin.done) / (end.seconds - begin.seconds)
        points.append(Point(target, {rate: speed, "memory MiB": end.memory_mib}))
    return points


async def _points(values: Sequence[int], make: Made, rate: str, tell: Tell) -> list[Point]:
    """One measured round of a part at each value."""
    points = []
    for value in values:
        part = make(value)
        try:
            await part.enter()
            sample = await part.measured()
        finally:
            await part.leave()
        points.append(Point(value, {rate: sample[rate], "memory MiB": sample["memory MiB"]}))
        tell(f"{part.name} at {value}: {sample[rate]:,.0f} {rate}")
    return points


async def decide_by_state(servers: Servers, most: int, tell: Tell) -> Curve:
    """One worker decides `most` commands from an empty log on: the rate and the memory at 10,000 orders, and so on."""
    await servers.new_topics(COMMANDS, EVENTS)
    await fill_commands(servers.settings, most)
    reader, looks = new_reader(servers.settings, "order-bench"), []
    await reader.start()
    try:
        async with asyncio.timeout(_LONG_S), servers.process("order_aggregate") as worker:
            began, count = time.perf_counter(), 0
            while count < unique_of(most):
                await asyncio.sleep(_LOOK_S)
                count = sum((await log_ends(reader)).values())
                looks.append(Look(count, time.perf_counter() - began, worker.memory_mib()))
    finally:
        await stop_quietly(reader)
    tell(f"decide: {most:,} commands in {looks[-1].seconds:.0f} s")
    return Curve("decide by orders in the state", along(looks, [state for state in STATES if state <= most], "commands/s"))


async def feed_by_clients(servers: Servers, values: Sequence[int], tell: Tell) -> Curve:
    """The notifier's memory, and frames a second of an event to all, with so many clients that want everything."""
    points = []
    for value in values:
        async with feed_stage(servers, ORDERS_FEED_HEARTBEAT="3600") as stage, stage.connected([subscribe()] * value) as clients:
            clients.on_event = None
            clients.expect()
            events = max(1, 100_000 // value)
            await stage.log.append(event(f"bench-{number}") for number in range(events))
            wanted = events * value
            ended = await asyncio.to_thread(clients.receive_until, lambda: clients.events >= wanted, 120.0)  # noqa: B023 - awaited here
            rate = wanted / max(1e-6, ended - clients.first_at)
            points.append(Point(value, {"frames/s": rate, "memory MiB": stage.notifier.memory_mib()}))
            tell(f"feed at {value} clients: {rate:,.0f} frames/s")
    return Curve("feed by connected clients", points)


async def all_curves(servers: Servers, scale: float, tell: Tell) -> list[Curve]:
    """Every curve, one after the other; `scale` 1.0 is the size of the docs."""
    commands, orders = int(100_000 * scale), int(20_000 * scale)

    async def decide(name: str, values: Sequence[int], make: Made) -> Curve:
        return Curve(f"decide by {name}", await _points(values, make, "commands/s", tell))

    async def project(name: str, values: Sequence[int], make: Made) -> Curve:
        return Curve(f"project by {name}", await _points(values, make, "records/s", tell))

    curves = [
        await decide("workers", WORKERS, lambda n: Decide(servers, commands=commands, workers=n)),
        await decide("records in a fetch", FETCHES, lambda n: Decide(servers, commands=commands, fetch_records=n)),
        await project("workers", WORKERS, lambda n: Project(servers, orders=orders, workers=n)),
        await project("records in a fetch", FETCHES, lambda n: Project(servers, orders=orders, fetch_records=n)),
        await decide_by_state(servers, int(1_060_000 * scale), tell),
        await feed_by_clients(servers, [n for n in CLIENTS if scale >= 1 or n <= 1_000], tell),
    ]
    by_partitions: dict[str, list[Point]] = {"decide": [], "project": []}
    for partitions in PARTITIONS:
        await servers.new_topics(COMMANDS, EVENTS, partitions=partitions)
        by_partitions["decide"] += await _points([partitions], lambda _: Decide(servers, commands=commands), "commands/s", tell)
        by_partitions["project"] += await _points([partitions], lambda _: Project(servers, orders=orders), "records/s", tell)
    return curves + [Curve(f"{name} by partitions", points) for name, points in by_partitions.items()]


def main() -> None:
    """Measure them all."""
    parser = argparse.ArgumentParser(description="Measure how decide, project and memory grow.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="of commands and orders; 1.0 takes about 20 minutes")
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    clear_leftovers()
    home, machine = BenchHome(), Machine.here()
    try:
        with Servers(home, Settings().jar_folder) as servers:
            curves = uvloop.run(all_curves(servers, arguments.scale, _tell))
    finally:
        home.end()
    said = {"machine": machine.as_object(), "scale": arguments.scale, "curves": [curve.as_object() for curve in curves]}
    arguments.file.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
