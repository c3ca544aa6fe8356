"""path: from the moment a POST is due to the frame on the websocket, at a steady rate, beside two hops through Kafka alone.

The floor: the same bytes on the same schedule, produced, consumed, produced again and consumed.
"""

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.reader import stop_quietly
from infra.kafka.clients import new_admin, new_producer, new_reader
from infra.process.settings import Settings
from tools.bench.measuring import Metric, Sample, latencies
from tools.bench.parts.accept import NotAccepted
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers
from tools.bench.stack_load.open_loop import DRAIN_S, OpenLoop, run_open_loop

SERVICES = ("gateway", "order_aggregate", "projections", "notifier")
_FIRST, _SECOND = "bench-hop-1", "bench-hop-2"
_VALUE = b"x" * 700
"""About an order's envelope."""


class PathPart:
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
        """Time the whole path."""
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
        """Time two hops."""
        return latencies(await two_hops(self._servers.settings, self._rate, self._seconds))

    async def leave(self) -> None:
        """End the services."""
        for process in self._services.values():
            process.ask_to_end()
        await self._stack.aclose()

    async def _load(self, seconds: float) -> OpenLoop:
        gateway, notifier = self._services["gateway"], self._services["notifier"]
        return await run_open_loop(http_port=gateway.http_port, feed_port=notifier.feed_port, rate=self._rate, seconds=seconds)


async def two_hops(settings: Settings, rate: float, seconds: float) -> list[float]:
    """Milliseconds from when each message was due until its second copy was consumed."""
    await _create(settings)
    async with contextlib.AsyncExitStack() as stack:
        producer = new_producer(settings, "bench-hops")
        await producer.start()
        stack.push_async_callback(producer.stop)
        readers = [await _at_the_end(settings, topic, stack) for topic in (_FIRST, _SECOND)]
        return await _Hops(producer, *readers).run(rate, int(rate * seconds))


class _Hops:
    def __init__(self, producer: AIOKafkaProducer, first: AIOKafkaConsumer, second: AIOKafkaConsumer) -> None:
        self._producer, self._first, self._second = producer, first, second
        self._due: list[float] = []
        self._came: list[float] = []

    async def run(self, rate: float, count: int) -> list[float]:
        passing, arriving = asyncio.create_task(self._pass_on()), asyncio.create_task(self._arrive(count))
        try:
            begin = time.perf_counter()
            for number in range(count):
                due = begin + number / rate
                self._due.append(due)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await self._producer.send(_FIRST, _VALUE, b"%d" % number, partition=number % 12)
            await asyncio.wait_for(arriving, DRAIN_S)
        finally:
            passing.cancel()
            arriving.cancel()
        return self._came

    async def _pass_on(self) -> None:
        while True:
            for top, records in (await self._first.getmany(timeout_ms=500)).items():
                for record in records:
                    await self._producer.send(_SECOND, record.value, record.key, partition=top.partition)

    async def _arrive(self, count: int) -> None:
        while len(self._came) < count:
            for records in (await self._second.getmany(timeout_ms=500)).values():
                now = time.perf_counter()
                self._came += [1e3 * (now - self._due[int(record.key)]) for record in records]


async def _at_the_end(settings: Settings, topic: str, stack: contextlib.AsyncExitStack) -> AIOKafkaConsumer:
    reader = new_reader(settings, "bench-hops")
    await reader.start()
    stack.push_async_callback(stop_quietly, reader)
    tops = [TopicPartition(topic, partition) for partition in range(12)]
    reader.assign(tops)
    for top, end in (await reader.end_offsets(tops)).items():
        reader.seek(top, end)
    return reader


async def _create(settings: Settings) -> None:
    admin = new_admin(settings, "bench-hops")
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, 12, 1) for topic in (_FIRST, _SECOND)])
        for name, code, *_ in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise for_code(code)(name)
    finally:
        await admin.close()
