"""The floor of `path`: the same bytes on the same schedule through Kafka alone, twice: produced, consumed, produced again, consumed."""

import asyncio
import contextlib
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from infra.event_log.reader import stop_quietly
from infra.kafka.clients import new_admin, new_producer, new_reader
from infra.process.settings import Settings
from tools.bench.stack_load.open_loop import DRAIN_S

_FIRST, _SECOND = "bench-hop-1", "bench-hop-2"
_VALUE = b"x" * 700
"""About an order's envelope."""


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
            for tp, records in (await self._first.getmany(timeout_ms=500)).items():
                for record in records:
                    await self._producer.send(_SECOND, record.value, record.key, partition=tp.partition)

    async def _arrive(self, count: int) -> None:
        while len(self._came) < count:
            for records in (await self._second.getmany(timeout_ms=500)).values():
                now = time.perf_counter()
                self._came += [1e3 * (now - self._due[int(record.key)]) for record in records]


async def _at_the_end(settings: Settings, topic: str, stack: contextlib.AsyncExitStack) -> AIOKafkaConsumer:
    reader = new_reader(settings, "bench-hops")
    await reader.start()
    stack.push_async_callback(stop_quietly, reader)
    tps = [TopicPartition(topic, partition) for partition in range(12)]
    reader.assign(tps)
    for tp, end in (await reader.end_offsets(tps)).items():
        reader.seek(tp, end)
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
