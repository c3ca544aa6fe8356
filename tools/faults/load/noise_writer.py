"""Writes by hand into both topics what must not harm: garbage, envelopes that do not count, commands with unusable content."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass
from typing import Literal

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from event_schemas.topics import COMMANDS, EVENTS

Fate = Literal["dead letter", "void", "invalid_command"]
_ANSWER_S = 15.0


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes written by hand, found again by their unique `key` or, for commands with an order, `order_id`; and what must become of them."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    fate: Fate


class NoiseWriter:
    """Writes one thing about every `every_s` seconds. What the brokers do not confirm may be there or not, like a client's command."""

    def __init__(self, servers: str, *, seed: int, partitions: int, every_s: float) -> None:
        self.written: list[Written] = []
        self._servers = servers
        self._partitions = partitions
        self._every_s = every_s
        self._random = random.Random(f"writer {seed}")  # noqa: S311 reproducible on purpose
        self._count = 0

    async def run(self, seconds: float) -> None:
        """Write for so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await self._write(self._next())
            await asyncio.sleep(self._every_s * self._random.uniform(0.6, 1.4))

    def _next(self) -> Written:
        self._count += 1
        makers = (self._garbage_command, self._garbage_record, self._misrouted, self._unusable, self._void)
        return makers[(self._count - 1) % len(makers)]()

    def _garbage_command(self) -> Written:
        return Written(COMMANDS, self._partition(), self._key(), b"\xff\x00 no command", "dead letter")

    def _garbage_record(self) -> Written:
        return Written(EVENTS, self._partition(), self._key(), b'{"no": "record"}', "dead letter")

    def _misrouted(self) -> Written:
        order_id = self._uuid()
        wrong = (partition_of(order_id, self._partitions) + 1) % self._partitions
        return Written(COMMANDS, wrong, order_id.encode(), self._command(order_id, {"reason": "x"}), "dead letter")

    def _unusable(self) -> Written:
        order_id = self._uuid()
        here = partition_of(order_id, self._partitions)
        return Written(COMMANDS, here, order_id.encode(), self._command(order_id, {"reason": 7}), "invalid_command")

    def _void(self) -> Written:
        """An envelope that is valid except for its place, like one from a worker that lost its partition."""
        order_id, command_id = self._uuid(), uuid.UUID(self._uuid())
        envelope = {
            "id": str(uuid.uuid5(command_id, "record")),
            "type": "OrderShipped",
            "schema_version": 1,
            "order_id": order_id,
            "version": 2,
            "command_id": str(command_id),
            "correlation_id": "void",
            "occurred_at": "2025-01-01T00:00:00Z",
            "actor": "faults",
            "data": {"customer_id": "nobody", "tracking_number": "void", "shipped_at": "2025-01-01T00:00:00Z"},
        }
        return Written(EVENTS, partition_of(order_id, self._partitions), order_id.encode(), orjson.dumps(envelope), "void")

    def _command(self, order_id: str, data: dict[str, object]) -> bytes:
        return orjson.dumps(
            {
                "id": self._uuid(),
                "type": "CancelOrder",
                "schema_version": 1,
                "order_id": order_id,
                "correlation_id": "by hand",
                "issued_at": "2025-01-01T00:00:00Z",
                "actor": "faults",
                "data": data,
            }
        )

    def _partition(self) -> int:
        return self._random.randrange(self._partitions)

    def _key(self) -> bytes:
        return f"by-hand-{self._count}".encode()

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    async def _write(self, thing: Written) -> None:
        self.written.append(thing)
        producer = AIOKafkaProducer(bootstrap_servers=self._servers, client_id="faults", acks="all", enable_idempotence=True)
        headers = [("place", b"0"), ("command_offset", b"0")] if thing.fate == "void" else []
        try:
            async with asyncio.timeout(_ANSWER_S):
                await producer.start()
                await producer.send_and_wait(thing.topic, thing.value, key=thing.key, partition=thing.partition, headers=headers)
        except (KafkaError, OSError, TimeoutError):
            return
        finally:
            await _stop(producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(3.0):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError):
        await producer.client.close()


def partition_of(order_id: str, partitions: int) -> int:
    """Kafka's own rule for a key."""
    return int((murmur2(order_id.encode()) & 0x7FFFFFFF) % partitions)
