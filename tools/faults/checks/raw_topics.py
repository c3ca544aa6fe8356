"""Copies of whole topics, byte for byte, read by a plain consumer."""

import asyncio
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

_SILENCE_S = 20.0
_TRIES = 6


class RawRecord(NamedTuple):
    """A record as Kafka holds it."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class TopicUnreadable(Exception):
    """A topic could not be read to its end; the text says where it stopped."""


class TopicCopy:
    """All records of a topic as far as it was read; `read_on` goes on where the last call ended."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self.topic = topic
        self.partitions: dict[int, list[RawRecord]] = {partition: [] for partition in range(partitions)}
        self._servers = servers

    async def read_on(self) -> int:
        """Read up to the end that the topic has now; returns how many records came. Raises TopicUnreadable."""
        before = len(self)
        for attempt in range(_TRIES):
            try:
                await self._read_on()
                return len(self) - before
            except (KafkaError, OSError, TimeoutError) as error:
                if attempt == _TRIES - 1:
                    raise TopicUnreadable(f"{self.topic}: {type(error).__name__}: {error}") from error
                await asyncio.sleep(2.0)
        raise AssertionError("unreachable")

    def __len__(self) -> int:
        return sum(map(len, self.partitions.values()))

    async def _read_on(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers, client_id="faults-judge", enable_auto_commit=False, auto_offset_reset="none"
        )
        await consumer.start()
        try:
            tps = [TopicPartition(self.topic, partition) for partition in self.partitions]
            consumer.assign(tps)
            ends = await consumer.end_offsets(tps)
            for tp in tps:
                consumer.seek(tp, len(self.partitions[tp.partition]))
            while left := [tp for tp in tps if len(self.partitions[tp.partition]) < ends[tp]]:
                await self._take(consumer, left)
        finally:
            await consumer.stop()

    async def _take(self, consumer: AIOKafkaConsumer, left: list[TopicPartition]) -> None:
        came = await consumer.getmany(*left, timeout_ms=int(_SILENCE_S * 1000))
        if not came:
            raise TimeoutError(f"nothing came for {_SILENCE_S:.0f} s")
        for tp, records in came.items():
            copy = self.partitions[tp.partition]
            for record in records:
                if record.offset != len(copy):
                    raise TopicUnreadable(f"{self.topic}/{tp.partition}: offset {record.offset} came where {len(copy)} was due")
                headers = tuple(record.headers)
                copy.append(RawRecord(tp.partition, record.offset, record.timestamp, record.key, record.value, headers))
