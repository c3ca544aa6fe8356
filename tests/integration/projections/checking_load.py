"""Orders at a steady rate, and readers who know what each answer must hold.

The log must be new and nobody else may write to it: then every record is an order of one unit, and what the sums must be at a
position follows from the position alone.
"""

import asyncio
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from event_schemas.positions import Position

_PAUSE_S = 0.05
_CUSTOMERS = 97


@dataclass
class Tally:
    """What was asked and seen. `wrong`: answers that were wrong, empty or older than one before them."""

    accepted: int = 0
    refused: int = 0
    reads: int = 0
    wrong: list[str] = field(default_factory=list)
    unavailable: int = 0
    disconnected: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """How long reads took that waited for nothing, by what went on meanwhile."""

    def lines(self) -> list[str]:
        """For people."""
        counted = (
            f"orders accepted {self.accepted}, not accepted in time {self.refused}; answers read and compared {self.reads}: "
            f"wrong, empty or older than one before {len(self.wrong)}; 503 {self.unavailable}, connections lost {self.disconnected}"
        )
        told = [counted]
        for what, seconds in self.seconds.items():
            if len(seconds) > 1:
                cuts = statistics.quantiles(seconds, n=100)
                told.append(f"reads {what}: {len(seconds)}, p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms")
        return [*told, *self.wrong[:5]]


@dataclass(frozen=True)
class _Answer:
    content: dict[str, Any]
    offsets: Mapping[int, int]

    @property
    def records(self) -> int:
        return sum(self.offsets.values())


class CheckingLoad:
    """Posts orders and reads, until it is stopped. `meanwhile` names what goes on, for the times."""

    def __init__(self, url: str, rate: float, *, readers: int, read_back: float) -> None:
        """`rate`: orders a second. `read_back`: the part of them that is read again at the position that their answer names."""
        self.url, self.rate, self.tally, self.meanwhile = url, rate, Tally(), "before the first rebuild"
        self._readers, self._part_read_back = readers, read_back
        self.stopped = asyncio.Event()
        self._seen: dict[int, int] = {}
        self._orders: list[tuple[str, str, str]] = []
        self._read_back: dict[str, int] = defaultdict(int)

    async def run(self) -> None:
        """Go on until `stopped` is set."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self.url, connector=connector) as session, asyncio.TaskGroup() as tasks:
            for _ in range(self._readers):
                tasks.create_task(self._read_on(session))
            due = time.monotonic()
            while not self.stopped.is_set():
                tasks.create_task(self._lost(self._order(session)))
                due += 1 / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _lost(self, asking: Coroutine[Any, Any, None]) -> None:
        """A connection that was closed under a request is told, and is no answer."""
        try:
            await asking
        except (aiohttp.ClientError, TimeoutError):
            self.tally.disconnected += 1

    async def _order(self, session: aiohttp.ClientSession) -> None:
        """Place one and perhaps read it back: the answer to a write names a position, and what is read there must hold it."""
        total = f"{random.randrange(1, 100_000) / 100:.2f}"
        customer = f"c{random.randrange(_CUSTOMERS)}"
        body = {"customer_id": customer, "currency": "EUR", "lines": [{"sku": "tea", "quantity": 1, "unit_price": total}]}
        async with session.post("/orders", json=body, headers={"Prefer": "wait=20"}) as answer:
            told = await answer.json()
        if answer.status != 201:
            self.tally.refused += 1
            return
        self.tally.accepted += 1
        if random.random() >= self._part_read_back:
            return
        order_id, place = told["order_id"], told["position"]
        read = await self._get(session, f"/orders/{order_id}?position={place}")
        if read is not None:
            self._check_order(read, order_id, customer, total)
            self._orders.append((order_id, customer, total))
            self._read_back[customer] += 1

    async def _read_on(self, session: aiohttp.ClientSession) -> None:
        readings = [self._read_sales, self._read_customer, self._read_order]
        while not self.stopped.is_set():
            for reading in readings:
                await self._lost(reading(session))
                await asyncio.sleep(_PAUSE_S)

    async def _read_sales(self, session: aiohttp.ClientSession) -> None:
        read = await self._get(session, "/sales")
        if read is None:
            return
        items = read.content["items"]
        sums = sum(item["orders"] for item in items), sum(item["units"] for item in items)
        if sums != (read.records, read.records):
            self._wrong(f"/sales holds {sums} orders and units after {read.records} records")

    async def _read_customer(self, session: aiohttp.ClientSession) -> None:
        if not self._orders:
            return
        customer = random.choice(self._orders)[1]
        placed = self._read_back[customer]
        read = await self._get(session, f"/customers/{customer}")
        if read is None:
            return
        orders, units = read.content["orders"], read.content["units"]
        if orders != units or orders < placed:
            self._wrong(f"/customers/{customer} holds {orders} orders of {units} units, at least {placed} were read before")

    async def _read_order(self, session: aiohttp.ClientSession) -> None:
        if not self._orders:
            return
        order_id, customer, total = random.choice(self._orders)
        read = await self._get(session, f"/orders/{order_id}")
        if read is not None:
            self._check_order(read, order_id, customer, total)

    def _check_order(self, read: _Answer, order_id: str, customer: str, total: str) -> None:
        found = tuple(read.content.get(name) for name in ("order_id", "customer_id", "total", "units", "version", "status"))
        if found != (order_id, customer, total, 1, 1, "created"):
            self._wrong(f"/orders/{order_id}: {found}")

    async def _get(self, session: aiohttp.ClientSession, path: str) -> _Answer | None:
        """An answer that is no older than any that was complete when it was asked for; None when there was none."""
        seen, began, meanwhile = dict(self._seen), time.monotonic(), self.meanwhile
        async with session.get(path) as answer:
            content = await answer.json()
        if answer.status == 503:
            self.tally.unavailable += 1
            return None
        self.tally.reads += 1
        if answer.status != 200:
            self._wrong(f"{path}: {answer.status} {content}")
            return None
        if "position=" not in path:
            self.tally.seconds[meanwhile].append(time.monotonic() - began)
        offsets = Position.parse(answer.headers["Orders-Position"]).next_offsets
        if any(offsets.get(partition, 0) < offset for partition, offset in seen.items()):
            self._wrong(f"{path} went back from {seen} to {offsets}")
        for partition, offset in offsets.items():
            self._seen[partition] = max(offset, self._seen.get(partition, 0))
        return _Answer(content, offsets)

    def _wrong(self, what: str) -> None:
        self.tally.wrong.append(what)
