"""knee: how many orders a second the whole system takes end to end, that its backlog stays small there, and that it recovers from more."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from event_schemas.topics import COMMANDS, EVENTS
from tools.bench.measuring import percentile
from tools.bench.parts.path import SERVICES
from tools.bench.process import BenchProcess
from tools.bench.report import Finding
from tools.bench.servers import Servers
from tools.bench.stack_load.open_loop import OpenLoop, run_open_loop

_STEP_S = 8.0
_FIRST, _STEP = 400, 1.25
_KNEE_P99_MS = 1_000.0
_SHED_AGE_S = "5"
_OVERLOAD_S = 40.0
_RECOVERED_S = 60.0
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Stack:
    servers: Servers
    services: dict[str, BenchProcess]

    async def load(self, rate: float, seconds: float) -> OpenLoop:
        gateway, notifier = self.services["gateway"], self.services["notifier"]
        return await run_open_loop(http_port=gateway.http_port, feed_port=notifier.feed_port, rate=rate, seconds=seconds)

    def cpu_s(self) -> dict[str, float]:
        return {module.rpartition(".")[2]: process.cpu_s() for module, process in self.services.items()} | self.servers.cpu_s()

    async def waiting(self) -> float:
        """How many commands wait, as the gateway itself says."""
        metrics = await self.services["gateway"].metrics()
        return metrics.get("orders_backlog_commands", 0.0)


@asynccontextmanager
async def _stack(servers: Servers) -> AsyncIterator[_Stack]:
    await servers.new_topics(COMMANDS, EVENTS)
    servers.use_new_database()
    services = {module: servers.process(module, ORDERS_MAX_BACKLOG_AGE=_SHED_AGE_S) for module in SERVICES}
    try:
        for process in services.values():
            process.start()
        for process in services.values():
            await process.running()
        yield _Stack(servers, services)
    finally:
        for process in services.values():
            process.ask_to_end()
        for process in services.values():
            process.stop()


async def knee(servers: Servers, *, rate: float | None, seconds: float, tell: Tell) -> Sequence[Finding]:
    """Look for the knee, or take `rate` for it; hold it for `seconds`; then post half as much again, and see the system recover."""
    async with _stack(servers) as stack:
        await stack.load(100, 3.0)
        found = await _search(stack, tell) if rate is None else rate
        held = await _hold(stack, found, seconds, tell)
        over = await _overload(stack, 1.5 * found, tell)
        return [*held, *over]


async def _search(stack: _Stack, tell: Tell) -> float:
    """The highest rate, of steps of a quarter, at which each order's frame comes within a second (p99); a tenth below it."""
    rate, best = float(_FIRST), float(_FIRST)
    while True:
        measured = await stack.load(rate, _STEP_S)
        p99 = percentile(measured.framed, 0.99)
        tell(f"{rate:,.0f}/s: frame p99 {p99:,.0f} ms, refused {sum(measured.refused.values())}, missing {measured.missing}")
        if measured.refused or measured.missing or not p99 < _KNEE_P99_MS:
            await asyncio.sleep(3.0)
            return 0.9 * best
        best, rate = rate, rate * _STEP


async def _hold(stack: _Stack, rate: float, seconds: float, tell: Tell) -> list[Finding]:
    used = stack.cpu_s()
    lengths: list[float] = []
    loading = asyncio.create_task(stack.load(rate, seconds))
    while not loading.done():
        await asyncio.wait({loading}, timeout=1.0)
        lengths.append(await stack.waiting())
    measured = await loading
    tell(f"held {rate:,.0f}/s for {seconds:g} s: refused {dict(measured.refused)}, missing {measured.missing}")
    orders = len(measured.framed) or 1
    third = max(1, len(lengths) // 3)
    costs = [Finding(f"CPU of {name} an order", 1e3 * (now - used[name]) / orders, "ms") for name, now in stack.cpu_s().items()]
    return [
        Finding("orders a second, end to end", orders / seconds, at_least=0.99 * rate),
        Finding("seconds", seconds, "s"),
        Finding("errors", float(sum(measured.refused.values()) + measured.missing), at_most=0),
        Finding("POST to 202, p50", percentile(measured.answered, 0.5), "ms"),
        Finding("POST to 202, p99", percentile(measured.answered, 0.99), "ms"),
        Finding("POST to frame, p50", percentile(measured.framed, 0.5), "ms"),
        Finding("POST to frame, p99", percentile(measured.framed, 0.99), "ms"),
        Finding("commands waiting, median of the first third", percentile(lengths[:third], 0.5)),
        Finding("commands waiting, median of the last third", percentile(lengths[-third:], 0.5), at_most=rate),
        Finding("the load itself was late by at most", measured.late_ms, "ms"),
        *costs,
    ]


async def _overload(stack: _Stack, rate: float, tell: Tell) -> list[Finding]:
    measured = await stack.load(rate, _OVERLOAD_S)
    began = time.monotonic()
    after = OpenLoop()
    while time.monotonic() - began < _RECOVERED_S:
        after = await stack.load(50, 2.0)
        if not after.refused and not after.missing and percentile(after.framed, 0.99) < _KNEE_P99_MS:
            break
    tell(f"beyond it, {rate:,.0f}/s: {dict(measured.refused)} refused")
    others = sum(count for status, count in measured.refused.items() if status != 429)
    return [
        Finding("beyond it: orders a second asked for", rate),
        Finding("beyond it: accepted a second", len(measured.answered) / _OVERLOAD_S),
        Finding("beyond it: refused with 429", float(measured.refused[429])),
        Finding("beyond it: refused otherwise", float(others), at_most=0),
        Finding("beyond it: accepted, but its frame did not come", float(measured.missing), at_most=0),
        Finding("recovered after", time.monotonic() - began, "s", at_most=_RECOVERED_S),
        Finding("errors after it recovered", float(sum(after.refused.values()) + after.missing), at_most=0),
    ]
