"""The orders that the bench places, always the same ones: as bodies, as commands, and as topics full of commands."""

import asyncio
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer

from command_api.envelopes import CREATE, Refused, Sender, build_command
from command_api.headers import CommandHeaders
from command_api.identity import ANONYMOUS
from event_schemas.topics import COMMANDS
from infra.http.preferences import Preferences
from infra.kafka.clients import new_producer
from infra.kafka.partitioner import partition_of
from infra.process.settings import Settings

CUSTOMERS = 2_000
_CURRENCIES = ("EUR", "EUR", "USD")
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_REPEAT_EVERY = 20
"""One in twenty commands comes a second time."""
_NO_HEADERS = CommandHeaders(None, None, None, None, None, Preferences())
_UNSENT = 64
"""Batches that may be under way at once."""
Row = tuple[int, bytes, bytes, list[tuple[str, bytes]]]
"""Partition, key, value, headers."""


def order_bodies(count: int, *, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Bodies of `POST /orders`, of one to three lines each."""
    chance = random.Random(seed)  # noqa: S311 - the same orders each time
    for number in range(count):
        lines = [
            {
                "sku": f"sku-{chance.randrange(2_000)}",
                "quantity": chance.randrange(1, 9),
                "unit_price": f"{chance.randrange(1, 500)}.{chance.randrange(100):02}",
            }
            for _ in range(1 + number % 3)
        ]
        yield {"customer_id": f"bench-{chance.randrange(CUSTOMERS)}", "currency": chance.choice(_CURRENCIES), "lines": lines}


def command_row(body: dict[str, Any], key: str, number: int, partitions: int) -> Row:
    """The command that `POST /orders` appends for this body under this Idempotency-Key, at a time that follows from the number."""
    sender = Sender(caller=ANONYMOUS, key=key, at=_BEGAN + number * timedelta(milliseconds=20))
    command = build_command(CREATE, None, body, _NO_HEADERS, sender)
    assert not isinstance(command, Refused)  # the bodies are valid
    order_id = str(command.order_id)
    return partition_of(order_id, partitions), order_id.encode(), command.encoded(), []


def bench_commands(count: int, partitions: int, *, first: int = 0) -> Iterator[Row]:
    """CreateOrder commands, 5 % of them repeats of one a little earlier. `first`: the first key's number; another gives other commands."""
    chance = random.Random(11)  # noqa: S311 - the same commands each time
    recent: list[Row] = []
    for number, body in enumerate(order_bodies(count)):
        if recent and number % _REPEAT_EVERY == 0:
            yield chance.choice(recent)
            continue
        row = command_row(body, str(UUID(int=first + number)), number, partitions)
        recent.append(row)
        if len(recent) > 1_000:
            recent = recent[-500:]
        yield row


def unique_of(count: int) -> int:
    """How many of the first `count` commands are no repeats."""
    return count - max(0, (count - 1) // _REPEAT_EVERY)


async def fill_commands(settings: Settings, count: int) -> None:
    """Append the first `count` commands to `order-commands`."""
    await fill(settings, COMMANDS, bench_commands(count, settings.partitions))


async def fill(settings: Settings, topic: str, rows: Iterable[Row]) -> None:
    """Append rows to a topic, in batches as large as they may be. Raises KafkaError."""
    producer = new_producer(settings, "order-bench")
    await producer.start()
    try:
        await _Filler(producer, topic).append_all(rows)
    finally:
        await producer.stop()


class _Filler:
    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic
        self._batches: dict[int, Any] = {}
        self._under_way: list[asyncio.Future[Any]] = []

    async def append_all(self, rows: Iterable[Row]) -> None:
        for partition, key, value, headers in rows:
            batch = self._batches.get(partition) or self._batches.setdefault(partition, self._producer.create_batch())
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                await self._send(partition)
                self._batches[partition] = batch = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=headers)
        for partition in list(self._batches):
            await self._send(partition)
        await asyncio.gather(*self._under_way)

    async def _send(self, partition: int) -> None:
        batch = self._batches.pop(partition)
        batch.close()
        self._under_way.append(await self._producer.send_batch(batch, self._topic, partition=partition))
        if len(self._under_way) >= _UNSENT:
            await asyncio.gather(*self._under_way)
            self._under_way.clear()
