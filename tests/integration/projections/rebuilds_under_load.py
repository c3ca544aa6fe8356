"""Rebuilds and promotions of a running stack while orders come in and readers read; and rebuilds that are killed.

    python -m tests.integration.projections.rebuilds_under_load --rounds 20 --rate 200 [--kills 20]

Uses the stack that ORDERS_HOME and ORDERS_HTTP_PORT name. Each order that was accepted is read back with its position, and the
sums are read all the time: a wrong, empty or older answer is counted. At the end the log is folded anew and compared.
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
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.service_process import CHECKOUT

_COMMAND = [sys.executable, "-m", "order_service", "projections"]


@dataclass
class Tally:
    """What was seen."""

    accepted: int = 0
    refused: int = 0
    reads: int = 0
    wrong: list[str] = field(default_factory=list)
    behind: int = 0
    unavailable: int = 0
    disconnected: int = 0
    seconds: list[float] = field(default_factory=list)
    sales: int = 0

    def text(self) -> str:
        cuts = statistics.quantiles(self.seconds, n=100) if len(self.seconds) > 1 else [0.0] * 99
        return (
            f"orders accepted {self.accepted}, not accepted in time {self.refused}; reads {self.reads}, wrong or empty {len(self.wrong)}, "
            f"behind {self.behind} and unavailable {self.unavailable} (both 503), "
            f"connections lost {self.disconnected}; "
            f"read p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms"
        )


class Load:
    """Orders at a rate, each read back once; and a reader of sums."""

    def __init__(self, url: str, rate: float) -> None:
        self.url, self.rate, self.tally = url, rate, Tally()
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        async with aiohttp.ClientSession(self.url, connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(self._answered(self._read_sums(session)))]
            due = time.monotonic()
            while not self.stopped.is_set():
                readers.append(tasks.create_task(self._answered(self._order(session))))
                due += 1 / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _answered(self, asking: Coroutine[Any, Any, None]) -> None:
        """A connection that was closed under a request is told, and is no answer."""
        try:
            await asking
        except (aiohttp.ClientError, TimeoutError):
            self.tally.disconnected += 1

    async def _order(self, session: aiohttp.ClientSession) -> None:
        cents = random.randrange(1, 100_000)
        body = {
            "customer_id": f"c{cents % 97}",
            "currency": "EUR",
            "lines": [{"sku": "tea", "quantity": 1, "unit_price": f"{cents / 100:.2f}"}],
        }
        async with session.post("/orders", json=body, headers={"Prefer": "wait=20"}) as answer:
            told = await answer.json()
            if answer.status != 201:
                self.tally.refused += 1
                return
            location = answer.headers["Location"]
        self.tally.accepted += 1
        order = await self._get(session, location)
        if order is not None and (order.get("total"), order.get("order_id")) != (f"{cents / 100:.2f}", told["order_id"]):
            self.tally.wrong.append(f"{location}: {order}")

    async def _read_sums(self, session: aiohttp.ClientSession) -> None:
        while not self.stopped.is_set():
            sales = await self._get(session, "/sales")
            if sales is not None:
                orders = sum(item["orders"] for item in sales["items"])
                if orders < self.tally.sales:
                    self.tally.wrong.append(f"/sales went back from {self.tally.sales} to {orders} orders")
                self.tally.sales = orders
            await asyncio.sleep(0.02)

    async def _get(self, session: aiohttp.ClientSession, path: str) -> dict[str, Any] | None:
        began = time.monotonic()
        async with session.get(path) as answer:
            told = await answer.json()
        self.tally.reads += 1
        if answer.status == 503 and told.get("code") == "read_model_behind":
            self.tally.behind += 1
            return None
        if answer.status == 503 and told.get("code") == "read_model_unavailable":
            self.tally.unavailable += 1
            return None
        if answer.status != 200:
            self.tally.wrong.append(f"{path}: {answer.status} {told}")
            return None
        self.tally.seconds.append(time.monotonic() - began)
        return told  # type: ignore[no-any-return]


async def projections(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """A command's exit code and its JSON lines."""
    process = await asyncio.create_subprocess_exec(*_COMMAND, *arguments, "--json", cwd=CHECKOUT, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    return process.returncode or 0, [json.loads(line) for line in out.splitlines()]


async def _rounds(count: int, throttle: str) -> int:
    unequal = 0
    for number in range(1, count + 1):
        began = time.monotonic()
        code, lines = await projections("rebuild", "--promote", "--throttle", throttle)
        last = lines[-1]
        equal = code == 0 and all(one["equal"] for one in last["compared"])
        unequal += not equal
        waited = last.get("writers_waited_s")
        took = time.monotonic() - began
        print(f"{number}: {last.get('promoted')} in {took:.1f} s, equal: {equal}, writers waited {waited} s", flush=True)
        if equal:
            await projections("drop", last["from"])
    return unequal


async def _kills(count: int) -> int:
    """Kill rebuilds at random moments, then let one end."""
    resumed = 0
    for number in range(1, count + 1):
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, "rebuild", "--throttle", "2000", "--json", cwd=CHECKOUT, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        first = json.loads(await process.stdout.readline() or b"{}")
        await asyncio.sleep(random.uniform(0.0, 2.0))
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
        resumed += first.get("records", 0) > 0
        print(f"kill {number}: began at {first.get('records')} of {first.get('total')} records of {first.get('schema')}", flush=True)
    code, lines = await projections("rebuild", "--promote")
    equal = code == 0 and all(one["equal"] for one in lines[-1]["compared"])
    print(f"{resumed} of {count} began where the one before had been; the last one ended and was equal: {equal}")
    return not equal


async def _main(arguments: argparse.Namespace) -> int:
    load = Load(f"http://127.0.0.1:{os.environ.get('ORDERS_HTTP_PORT', '8000')}", arguments.rate)
    loading = asyncio.create_task(load.run())
    bad = await _rounds(arguments.rounds, arguments.throttle)
    bad += await _kills(arguments.kills) if arguments.kills else 0
    load.stopped.set()
    await loading
    print(load.tally.text(), *load.tally.wrong[:5], sep="\n")
    code, lines = await projections("verify")
    print("verify:", lines[-1], f"load of the machine {os.getloadavg()[0]:.1f}")
    return int(bool(bad or code or load.tally.wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--throttle", default="8000")
    parser.add_argument("--kills", type=int, default=0)
    sys.exit(asyncio.run(_main(parser.parse_args())))
