"""The floor of `decide`: the same commands decoded, decided and written by the shortest loop there is. No guard, no resume, no metrics."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import uvloop
from aiokafka import TopicPartition

from event_schemas.commands import InvalidCommand
from event_schemas.decoding import decode_command
from event_schemas.events import Record
from event_schemas.topics import COMMAND_OFFSET, COMMANDS, EVENTS, PLACE
from infra.kafka.clients import new_producer, new_reader
from infra.process.settings import Settings
from infra.process.tuning import collect_rarely
from order_aggregate.decider import decide, evolve
from order_aggregate.order import NoOrder, OrderState
from order_aggregate.partition_state import record_of
from order_aggregate.record_appender import encode

_RECORDS = 2_000
"""Records of one fetch, as the worker takes them."""


class _Floor:
    def __init__(self) -> None:
        self._decided: set[UUID] = set()
        self._orders: dict[UUID, OrderState] = {}
        self._next_places: dict[int, int] = {}

    def batches(self, new_batch: Callable[[], Any], partition: int, records: list[Any]) -> Iterator[Any]:
        """The batches in which these commands end; a fetch may need two."""
        batch = new_batch()
        for record in records:
            created = self._decide(record.value)
            if created is None:
                continue
            place = self._next_places.get(partition, 0)
            self._next_places[partition] = place + 1
            out = encode(created, created.encoded(), record)
            headers = [(PLACE, b"%d" % place), (COMMAND_OFFSET, b"%d" % out.command_offset), *out.headers]
            if batch.append(key=out.key, value=out.value, timestamp=None, headers=headers) is None:
                yield batch
                batch = new_batch()
                batch.append(key=out.key, value=out.value, timestamp=None, headers=headers)
        if batch.record_count():
            yield batch

    def _decide(self, value: bytes) -> Record | None:
        command = decode_command(value)
        if isinstance(command, InvalidCommand) or command.id in self._decided:
            return None
        self._decided.add(command.id)
        state = self._orders.get(command.order_id) or NoOrder()
        created = record_of(command, state, decide(command, state))
        self._orders[command.order_id] = evolve(state, created)
        return created


async def _run(settings: Settings) -> None:
    reader, producer, floor = new_reader(settings, "bench-floor"), new_producer(settings, "bench-floor"), _Floor()
    await reader.start()
    await producer.start()
    tps = [TopicPartition(COMMANDS, partition) for partition in range(settings.partitions)]
    reader.assign(tps)
    for tp in tps:
        reader.seek(tp, 0)
    while True:
        deliveries = []
        for tp, records in (await reader.getmany(timeout_ms=200, max_records=_RECORDS)).items():
            for batch in floor.batches(producer.create_batch, tp.partition, records):
                batch.close()
                deliveries.append(await producer.send_batch(batch, EVENTS, partition=tp.partition))
        await asyncio.gather(*deliveries)


def main() -> None:
    """Work until ended."""
    collect_rarely()
    uvloop.run(_run(Settings()))


if __name__ == "__main__":
    main()
