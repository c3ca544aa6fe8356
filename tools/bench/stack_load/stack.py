"""`./orders bench stack`: how long an order takes on the running stack, and what memory its processes hold.

The load is an open loop: orders are posted on a fixed schedule, whatever the answers take, so that waiting shows.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated
from uuid import uuid4

import aiohttp
import orjson
import typer
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from order_service.stack.folder import StackFolder
from order_service.stack.record import StackRecord, read_record
from order_service.stack.running import stack_settings
from order_service.terminal import table
from tools.bench.measuring import percentile
from tools.bench.process import family, memory_mib

DRAIN_S = 30.0
"""How long after the last POST frames are waited for."""
_SHARES = (0.5, 0.9, 0.99, 0.999, 1.0)
_BODY = {"currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}


@dataclass
class Measured:
    """Milliseconds from the moment an order was due to be posted, and what did not come.

    `accepted`: until 202; with a wait, until 201. `refused`: any other answer, with a wait also a 202.
    """

    accepted: list[float] = field(default_factory=list)
    framed: list[float] = field(default_factory=list)
    refused: int = 0
    missing: int = 0

    def __bool__(self) -> bool:
        return bool(self.accepted) and not (self.refused or self.missing)


def run_load(*, http: str, feed: str, rate: float, seconds: float, wait: bool = False) -> Measured:
    """Post `rate` orders a second for `seconds`. `wait`: each waits for its outcome, under an Idempotency-Key of its own.

    Raises OSError or aiohttp.ClientError when the stack is not there.
    """
    return uvloop.run(_Load(http, feed, wait=wait).run(rate, seconds))


class _Load:
    def __init__(self, http: str, feed: str, *, wait: bool) -> None:
        self._http, self._feed, self._wait = http, feed, wait
        self._due: dict[str, float] = {}
        self._early: dict[str, float] = {}
        self._measured = Measured()

    async def run(self, rate: float, seconds: float) -> Measured:
        async with self._following(), aiohttp.ClientSession() as session:
            begin, posts = time.perf_counter(), []
            for number in range(int(rate * seconds)):
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                posts.append(asyncio.create_task(self._post(session, number, due)))
            await asyncio.gather(*posts)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    while self._due:  # noqa: ASYNC110 - the frames empty it
                        await asyncio.sleep(0.01)
        self._measured.missing = len(self._due)
        return self._measured

    async def _post(self, session: aiohttp.ClientSession, number: int, due: float) -> None:
        # A key of the client's own makes the gateway look for a repeat: the most costly wait.
        headers = {"Prefer": "wait=30", "Idempotency-Key": str(uuid4())} if self._wait else {}
        order = {"customer_id": f"bench-{number % 100}", **_BODY}
        async with session.post(f"{self._http}/orders", json=order, headers=headers) as answer:
            body = await answer.json()
            now = time.perf_counter()
        if answer.status != (201 if self._wait else 202):
            self._measured.refused += 1
            return
        self._measured.accepted.append((now - due) * 1000)
        framed = self._early.pop(body["command_id"], None)
        if framed is None:
            self._due[body["command_id"]] = due
        else:  # the frame overtook the answer
            self._measured.framed.append((framed - due) * 1000)

    @contextlib.asynccontextmanager
    async def _following(self) -> AsyncIterator[None]:
        async with connect(self._feed, subprotocols=["orders.v1.json"]) as feed:  # type: ignore[list-item] # a NewType of str
            await feed.send(orjson.dumps({"type": "subscribe", "filter": {}, "from": "latest"}).decode())
            while orjson.loads(await feed.recv())["type"] != "caught_up":
                pass
            following = asyncio.create_task(self._follow(feed))
            try:
                yield
            finally:
                following.cancel()

    async def _follow(self, feed: ClientConnection) -> None:
        async for text in feed:
            now = time.perf_counter()
            frame = orjson.loads(text)
            if frame["type"] == "event":
                command_id = frame["event"]["command_id"]
                due = self._due.pop(command_id, None)
                if due is None:
                    self._early[command_id] = now
                else:
                    self._measured.framed.append((now - due) * 1000)


def stack(
    *,
    rate: Annotated[float, typer.Option(min=1, max=5000, help="Orders a second, posted on a fixed schedule")] = 50,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="For how long")] = 20,
    wait: Annotated[bool, typer.Option("--wait", help="Each order waits for its outcome: Prefer: wait, with an Idempotency-Key")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object")] = False,
) -> None:
    """Post orders at a steady rate and time the answer and the frame on the websocket; then the memory of each process.

    The orders stay in the log, of customers bench-0 to bench-99. Exits 1 when an order was refused or its frame did not come.
    """
    settings = stack_settings()
    record = read_record(StackFolder(settings.home))
    if record is None:
        sys.stderr.write("no stack runs here: start one with `./orders up`\n")
        raise typer.Exit(1)
    try:
        measured = run_load(http=record.urls.http, feed=record.urls.feed, rate=rate, seconds=seconds, wait=wait)
    except (OSError, aiohttp.ClientError) as error:
        sys.stderr.write(f"the stack does not answer at {record.urls.http}: {error}\n")
        raise typer.Exit(1) from error
    memory = memory_of_stack(record)
    sys.stdout.write(
        _as_json(measured, memory)
        if as_json
        else _as_text(measured, memory, f"{rate:g} orders/s for {seconds:g} s", "POST to 201" if wait else "POST to 202")
    )
    raise typer.Exit(0 if measured else 1)


def memory_of_stack(record: StackRecord) -> dict[str, float]:
    """Proportional set size in MiB of each process of the stack, its children included (PSS: shared pages are split among sharers)."""
    sizes = {}
    for process in record.processes:
        found = process.process.find() if process.process else None
        if found is not None:
            sizes[process.name] = memory_mib(family(found))
    supervisor = record.supervisor.find()
    if supervisor is not None:
        sizes["supervisor"] = memory_mib([supervisor])
    return sizes


def _as_text(measured: Measured, memory: dict[str, float], load: str, answered: str) -> str:
    rows = [("", "count", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms")]
    for name, values in ((answered, measured.accepted), ("POST to frame", measured.framed)):
        p50, p90, p99, p999, most = (f"{percentile(values, share):.1f}" for share in _SHARES)
        rows.append((name, str(len(values)), p50, p90, p99, p999, most))
    sizes = [("process", "MiB (PSS)"), *((name, f"{size:.0f}") for name, size in memory.items()), ("all", f"{sum(memory.values()):.0f}")]
    summary = f"{load}; refused {measured.refused}, frames missing {measured.missing}\n"
    return f"{summary}{table(rows)}\n{table(sizes)}"


def _as_json(measured: Measured, memory: dict[str, float]) -> str:
    latencies = {
        name: {f"p{100 * share:g}": round(percentile(values, share), 2) for share in _SHARES} if values else {}
        for name, values in (("accepted_ms", measured.accepted), ("framed_ms", measured.framed))
    }
    counts = {"accepted": len(measured.accepted), "framed": len(measured.framed), "refused": measured.refused, "missing": measured.missing}
    return json.dumps({**counts, **latencies, "memory_mib": {name: round(size, 1) for name, size in memory.items()}}) + "\n"
