"""`python -m tools.bench.floors.orders_log --orders N`: writes a log of N orders straight into an empty order-events, for measuring.

Half as many records again ship or cancel an order: 1,000,000 orders give 1,500,000 records. Each stands at the place that it
names, as the aggregate writes it. The same arguments give the same bytes. Nothing reaches `order-commands`: never use it on a
log that is meant to go on.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from aiokafka import AIOKafkaProducer

from event_schemas.events import OrderCancelled, OrderCreated, OrderedLine, OrderShipped, Record
from event_schemas.registry import new_record
from event_schemas.topics import COMMAND_OFFSET, EVENTS, PLACE
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_producer, new_reader
from infra.kafka.partitioner import partition_of
from infra.process.settings import Settings

_SPACE = UUID("6b1f0f52-6a0d-4b63-9a3c-0d0a3c1f2a77")
_BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
_APART = timedelta(seconds=30)
_LATER = 5_000
"""Most orders that are placed between an order and its end."""


def bench_records(orders: int) -> Iterator[Record]:
    """The records of such a log, in the order in which they are appended."""
    chance = random.Random(7)  # noqa: S311 - the same log each time
    due: dict[int, list[Record]] = {}
    for number in range(orders):
        placed = _created(number, chance)
        yield placed
        if number % 2 == 0:
            due.setdefault(min(orders - 1, number + chance.randrange(1, _LATER)), []).append(placed)
        for one in due.pop(number, ()):
            yield _ended(one, chance)


def _fields(order_id: UUID, version: int, at: datetime) -> dict[str, Any]:
    command_id = uuid5(order_id, f"command {version}")
    common = {"order_id": order_id, "version": version, "command_id": command_id}
    return common | {"correlation_id": str(command_id), "occurred_at": at, "actor": "bench"}


def _created(number: int, chance: random.Random) -> Record:
    at = _BEGAN + number * _APART
    lines = tuple(
        OrderedLine(
            sku=f"sku-{chance.randrange(2_000)}",
            quantity=chance.randrange(1, 9),
            unit_price=str(Decimal(chance.randrange(1, 50_000)) / 100),
        )
        for _ in range(chance.randrange(1, 4))
    )
    units, total = sum(line.quantity for line in lines), sum((line.quantity * Decimal(line.unit_price) for line in lines), Decimal(0))
    customer, currency = f"customer-{chance.randrange(50_000)}", chance.choice(("EUR", "EUR", "USD"))
    data = OrderCreated(customer_id=customer, currency=currency, lines=lines, units=units, total=str(total), ordered_at=at)
    return new_record(data, **_fields(uuid5(_SPACE, str(number)), 1, at))


def _ended(placed: Record, chance: random.Random) -> Record:
    at, order = placed.occurred_at + timedelta(hours=5), placed.data
    assert isinstance(order, OrderCreated)
    fields = _fields(placed.order_id, 2, at)
    if chance.random() < 0.8:
        tracking = f"T-{chance.randrange(10**9)}"
        return new_record(OrderShipped(customer_id=order.customer_id, tracking_number=tracking, shipped_at=at), **fields)
    sums: dict[str, Any] = {"currency": order.currency, "units": order.units, "total": order.total, "ordered_at": order.ordered_at}
    return new_record(OrderCancelled(customer_id=order.customer_id, reason="bench", cancelled_at=at, **sums), **fields)


class WrongPlace(Exception):
    """A batch does not stand where its records say: another program writes to this log."""


class BenchWriter:
    """Appends records in batches, each at the place that it names; one batch of a partition is under way at a time."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int) -> None:
        self._producer, self._partitions = producer, partitions
        self._next = dict.fromkeys(range(partitions), 0)
        self._batches = {partition: producer.create_batch() for partition in range(partitions)}
        self._acknowledged = dict.fromkeys(range(partitions), 0)
        self._under_way: dict[int, tuple[int, asyncio.Future[Any]]] = {}

    async def append(self, record: Record) -> None:
        """Append a record, which is sent when its batch is full."""
        key = str(record.order_id).encode()
        partition = partition_of(str(record.order_id), self._partitions)
        place = str(self._next[partition]).encode()
        arguments = {"key": key, "value": record.encoded(), "timestamp": int(time.time() * 1000)}
        headers = [(PLACE, place), (COMMAND_OFFSET, place)]
        if self._batches[partition].append(**arguments, headers=headers) is None:
            await self._send(partition)
            self._batches[partition].append(**arguments, headers=headers)
        self._next[partition] += 1

    async def flush(self) -> None:
        """Send what is left and wait for it all."""
        for partition in self._batches:
            await self._send(partition)
        for partition in self._batches:
            await self._settle(partition)

    async def _send(self, partition: int) -> None:
        batch = self._batches[partition]
        if batch.record_count():
            await self._settle(partition)
            batch.close()
            sent = await self._producer.send_batch(batch, EVENTS, partition=partition)
            self._under_way[partition] = (batch.record_count(), sent)
            self._batches[partition] = self._producer.create_batch()

    async def _settle(self, partition: int) -> None:
        """Wait for the batch under way. Raises WrongPlace."""
        if partition not in self._under_way:
            return
        count, sent = self._under_way.pop(partition)
        if (await sent).offset != self._acknowledged[partition]:
            raise WrongPlace(f"{EVENTS}/{partition}: a batch does not stand at {self._acknowledged[partition]}")
        self._acknowledged[partition] += count


async def write_bench_log(settings: Settings, orders: int) -> int:
    """Write the log; returns how many records. Raises SystemExit when the log is not empty."""
    reader = new_reader(settings, "bench-log")
    await reader.start()
    ends = await log_ends(reader)
    await stop_quietly(reader)
    if any(ends.values()):
        raise SystemExit(f"{EVENTS} is not empty: this writes only into a new log")
    producer = new_producer(settings, "bench-log")
    await producer.start()
    try:
        writer, count = BenchWriter(producer, len(ends)), 0
        for record in bench_records(orders):
            await writer.append(record)
            count += 1
        await writer.flush()
        return count
    finally:
        await producer.stop()


def main() -> None:
    """Write it to KAFKA_BOOTSTRAP_SERVERS."""
    parser = argparse.ArgumentParser(description="Write a log of orders for measuring, straight into an empty order-events.")
    parser.add_argument("--orders", type=int, default=1_000_000)
    orders = parser.parse_args().orders
    began = time.monotonic()
    count = asyncio.run(write_bench_log(Settings(), orders))
    sys.stdout.write(f"{count} records of {orders} orders in {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
