"""Rebuilds and promotions of a stack while orders come in and every answer read is checked; and rebuilds that are killed.

    python -m tests.integration.projections.rebuilds_under_load --rounds 20 --kills 20 --rate 200

Brings a stack of its own up. Prints how many answers were wrong, empty or older than one before, whether each promotion's
comparison was equal, what `verify` found at the end, and how long reads took while a rebuild went on under `--throttle`.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.integration.projections.checking_load import CheckingLoad
from tests.support.service_process import CHECKOUT
from tests.support.stack import Stack

_KILLED_AFTER_S = (1.0, 36.0)
"""Between these, after a rebuild's first sign: some before its workers have saved anything, most after."""


class Rounds:
    """`./orders projections …` on one stack under load."""

    def __init__(self, stack: Stack, load: CheckingLoad, throttle: str) -> None:
        self._stack, self._load, self._throttle = stack, load, throttle

    async def promotions(self, count: int) -> int:
        """Rebuild and promote, over and over; how many were not equal."""
        unequal = 0
        for number in range(1, count + 1):
            began = time.monotonic()
            self._load.meanwhile = f"during a rebuild with --throttle {self._throttle}"
            code, lines = await self._projections("rebuild", "--throttle", self._throttle)
            self._load.meanwhile = "during a promotion"
            code, lines = await self._projections("promote") if code == 0 else (code, lines)
            self._load.meanwhile = "between rebuilds"
            last = lines[-1] if lines else {}
            equal = code == 0 and all(one["equal"] for one in last["compared"])
            unequal += not equal
            took, waited = time.monotonic() - began, last.get("writers_waited_s")
            rows = sum(one.get("new_rows", 0) for one in last.get("compared", ()))
            say(f"{number}: {last.get('promoted')} of {rows} rows in {took:.1f} s, equal: {equal}, writers waited {waited} s")
            if equal:
                await self._projections("drop", last["from"])
        return unequal

    async def kills(self, count: int) -> int:
        """Kill rebuilds at random moments, each begun where the one before was; then let one end. How many did not go on, or differ."""
        schemas: set[str] = set()
        reached = again = 0
        # So slow that none of them ends before it is killed.
        rate = max(200, int(self._load.tally.accepted / (count * statistics.mean(_KILLED_AFTER_S))))
        for number in range(1, count + 1):
            process = await self._started("rebuild", "--throttle", str(rate))
            assert process.stdout is not None
            first = json.loads(await process.stdout.readline() or b"{}")
            schemas.add(str(first.get("schema")))
            again += first.get("records", 0) < reached
            reached = max(reached, first.get("records", 0))
            await asyncio.sleep(random.uniform(*_KILLED_AFTER_S))
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
            say(f"kill {number}: began at {first.get('records')} of {first.get('total')} records of {first.get('schema')}")
        code, lines = await self._projections("rebuild", "--promote")
        equal = code == 0 and all(one["equal"] for one in lines[-1]["compared"])
        say(f"{count} kills of rebuilds of {sorted(schemas)}, {again} began before what was reached; the last one ended, equal: {equal}")
        return again + (len(schemas) > 1) + (not equal)

    async def verify(self) -> int:
        """Fold the log anew and compare; how many rows differ."""
        _, lines = await self._projections("verify")
        say(f"verify: {lines[-1]}")
        return int(lines[-1]["drifted_rows"])

    async def _started(self, *arguments: str) -> asyncio.subprocess.Process:
        command = [str(CHECKOUT / "orders"), "projections", *arguments, "--json"]
        return await asyncio.create_subprocess_exec(*command, env=self._stack.environment, stdout=subprocess.PIPE)

    async def _projections(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        process = await self._started(*arguments)
        out, _ = await process.communicate()
        return process.returncode or 0, [json.loads(line) for line in out.splitlines()]


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def measure(stack: Stack, arguments: argparse.Namespace) -> int:
    """0 when nothing was wrong."""
    load = CheckingLoad(stack.http, arguments.rate, readers=arguments.readers, read_back=arguments.read_back)
    loading = asyncio.create_task(load.run())
    await asyncio.sleep(arguments.before)
    rounds = Rounds(stack, load, arguments.throttle)
    bad = await rounds.promotions(arguments.rounds)
    load.meanwhile = "during rebuilds that are killed"
    bad += await rounds.kills(arguments.kills) if arguments.kills else 0
    load.stopped.set()
    await loading
    for line in load.tally.lines():
        say(line)
    await asyncio.sleep(1.0)
    bad += await rounds.verify()
    say(f"load of the machine {os.getloadavg()[0]:.1f}; bad in all: {bad + len(load.tally.wrong)}")
    return int(bool(bad or load.tally.wrong))


def main() -> int:
    """Bring the stack up, measure, take it down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--readers", type=int, default=2, help="each reads at most 20 times a second")
    parser.add_argument("--read-back", type=float, default=0.25, help="part of the orders that are read where their answer says they are")
    parser.add_argument("--throttle", default="8000")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--before", type=float, default=10.0, help="seconds of load before the first rebuild")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orders-rebuilds-") as folder:
        Path(folder).chmod(0o755)
        stack = Stack(Path(folder) / "home")
        try:
            stack.start()
            return asyncio.run(measure(stack, arguments))
        finally:
            stack.stop()


if __name__ == "__main__":
    sys.exit(main())
