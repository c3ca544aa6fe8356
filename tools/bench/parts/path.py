"""path: from the moment a POST is due to the frame on the websocket, at a steady rate, beside two hops through Kafka alone."""

from contextlib import AsyncExitStack

from event_schemas.topics import COMMANDS, EVENTS
from tools.bench.measuring import Metric, Sample
from tools.bench.parts.accept import NotAccepted
from tools.bench.parts.kafka_hops import two_hops
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers
from tools.bench.stack_load.open_loop import OpenLoop, run_open_loop
from tools.bench.timings import latencies

SERVICES = ("gateway", "order_aggregate", "projections", "notifier")


class Path:
    """`seconds` of POSTs at `rate` a second, all four services running, each POST timed from the moment when it was due."""

    what = "POST /orders to the frame on the websocket, open loop, timed from when the POST was due; all services running"
    floor_is = "Kafka alone: produced, consumed, produced again and consumed, at the same rate, acks=all"

    def __init__(self, servers: Servers, *, rate: int, seconds: float) -> None:
        self.name = f"path-{rate}"
        self.metrics = tuple(Metric(f"{share} ms", "ms", more_is_better=False) for share in ("p50", "p99", "p99.9"))
        self._servers, self._rate, self._seconds = servers, rate, seconds
        self._stack = AsyncExitStack()
        self._services: dict[str, BenchProcess] = {}

    async def enter(self) -> None:
        """Start the services on an empty log, and warm them."""
        await self._servers.new_topics(COMMANDS, EVENTS)
        self._servers.use_new_database()
        for module in SERVICES:
            self._services[module] = self._servers.process(module)
            self._stack.callback(self._services[module].stop)
            self._services[module].start()
        for process in self._services.values():
            await process.running()
        await self._load(min(1.0, self._seconds))

    async def measured(self) -> Sample:
        """The whole path."""
        before = self._cpu_s()
        measured = await self._load(self._seconds)
        posts = self._rate * self._seconds
        costs = {f"CPU ms an order, {name}": 1e3 * (used - before[name]) / posts for name, used in self._cpu_s().items()}
        if measured.missing or measured.refused:
            raise NotAccepted(f"{measured.missing} frames did not come, refused by status: {dict(measured.refused)}")
        answered = latencies(measured.answered)
        return latencies(measured.framed) | {f"POST to 202, {name}": value for name, value in answered.items()} | costs

    def _cpu_s(self) -> dict[str, float]:
        own = {module.rpartition(".")[2]: process.cpu_s() for module, process in self._services.items()}
        return own | self._servers.cpu_s()

    async def floor(self) -> Sample:
        """Two hops."""
        return latencies(await two_hops(self._servers.settings, self._rate, self._seconds))

    async def leave(self) -> None:
        """End the services."""
        for process in self._services.values():
            process.ask_to_end()
        await self._stack.aclose()

    async def _load(self, seconds: float) -> OpenLoop:
        gateway, notifier = self._services["gateway"], self._services["notifier"]
        return await run_open_loop(http_port=gateway.http_port, feed_port=notifier.feed_port, rate=self._rate, seconds=seconds)
