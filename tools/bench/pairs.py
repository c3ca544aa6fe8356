"""`python -m tools.bench.pairs CHECKOUT [PART...]`: this checkout beside another one, round by round in turns, by CPU a unit.

The other checkout needs its own environment: run `./orders --help` there once. Each side has servers of its own and keeps a part
ready; while one side measures a round, the other one waits. Which side begins changes from pair to pair. Printed per part: the
median of the ratios this/other, and its interval of 95 % by bootstrap. Parts: accept, decide, project, feed, path; all by default.
"""

import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra.process.settings import Settings

PAIRS = 10
_SIDE = """
import asyncio, dataclasses, importlib, json, sys
from pathlib import Path
bench = "tools.bench" if Path("tools/bench").is_dir() else "order_service.bench"
def found(*places):
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(importlib.import_module(f"{bench}.{module}"), name)
        except (ModuleNotFoundError, AttributeError):
            continue
    raise SystemExit(f"this checkout has none of {places}")
parts, servers = found("run:PARTS", "parts:PARTS"), found("servers:Servers")
home, quick = found("process:BenchHome", "home:BenchHome")(), found("sizes:QUICK")
size = dataclasses.replace(quick, rates=(200,), path_s=6.0, project_orders=10_000, requests=4_000, events=100)
async def side(part):
    await part.enter()
    try:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(dict(await part.measured())), flush=True)
    finally:
        await part.leave()
try:
    with servers(home, Path(sys.argv[2])) as running:
        asyncio.run(side(parts[sys.argv[1]](running, size)[0]))
finally:
    home.end()
"""
"""What runs in each checkout, in its own environment; an older one has the bench elsewhere."""
_COST: Mapping[str, Callable[[Mapping[str, float]], float]] = {
    "accept": lambda sample: sample["CPU ms a request"],
    "decide": lambda sample: sample["CPU µs a command"],
    "project": lambda sample: sample["CPU µs a record"],
    "feed": lambda sample: sample["CPU µs a frame"],
    "path": lambda sample: sum(
        sample[f"CPU ms an order, {service}"] for service in ("gateway", "order_aggregate", "projections", "notifier")
    ),
}


class Side:
    """One checkout's part, ready to measure a round when it is told to."""

    def __init__(self, checkout: Path, part: str, jars: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": ""}
        python = checkout / ".venv" / "bin" / "python"
        self._process = subprocess.Popen(  # noqa: S603 our own bench
            [python, "-P", "-c", _SIDE, part, jars],
            cwd=checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def said(self) -> str:
        """The side's next line. Raises SystemExit when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the side in {self._process.args!r} has ended")
        return line

    def measured(self) -> Mapping[str, float]:
        """One round."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        sample: Mapping[str, float] = json.loads(self.said())
        return sample

    def end(self) -> None:
        """Let it end what it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def ratios(part: str, this: Path, other: Path, jars: Path) -> list[float]:
    """The ratios of PAIRS pairs, after one that is thrown away: the cost of a unit here by that of the other checkout."""
    sides = {"this": Side(this, part, jars), "other": Side(other, part, jars)}
    try:
        for side in sides.values():
            side.said()
        found = []
        for pair in range(PAIRS + 1):
            order = ("this", "other") if pair % 2 else ("other", "this")
            cost = {name: _COST[part](sides[name].measured()) for name in order}
            found.append(cost["this"] / cost["other"])
        return found[1:]
    finally:
        for side in sides.values():
            side.end()


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The interval of the median, 95 %, by bootstrap."""
    chance = random.Random(1)  # noqa: S311 a sample, no secret
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(10_000))
    return medians[249], medians[9_749]


def main() -> None:
    """Print a line for each part."""
    this, other = Path(__file__).parents[2], Path(sys.argv[1]).resolve()
    jars = Settings().jar_folder.absolute()
    for part in sys.argv[2:] or list(_COST):
        found = ratios(part, this, other, jars)
        low, high = interval(found)
        shown = " ".join(f"{ratio:.3f}" for ratio in found)
        sys.stdout.write(f"{part:8} {statistics.median(found):.3f} ({low:.3f} to {high:.3f})   {shown}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
