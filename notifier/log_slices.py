"""Bounded reads of the log for replays: a few readers, shared by all subscriptions, none kept longer than one slice."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from infra.event_log.reader import log_ends, read_ranges, stop_quietly
from infra.kafka.clients import broker_errors, new_piece_reader
from infra.process.settings import Settings

SLICE_RECORDS = 2_000
_SLICE_BYTES = 2 * 1024 * 1024
_STALL_S = 10.0


class LogSlices:
    """Reads slices of the log, at most `readers` at once in this process: a slow client holds no reader between its slices."""

    def __init__(self, settings: Settings, topic: str, *, readers: int = 3) -> None:
        self._settings, self._topic = settings, topic
        self._turns = asyncio.Semaphore(readers)
        self._idle: list[AIOKafkaConsumer] = []

    async def read(self, ranges: Mapping[int, tuple[int, int]]) -> list[ConsumerRecord]:
        """The next records of these ranges, about 2,000 or 2 MiB: per partition an unbroken run from its start, partitions mixed by time.

        Raises BrokerAway when the broker does not give them, LogUnreadable when the log does not hold them.
        """
        pieces: dict[int, list[ConsumerRecord]] = {}
        records = size = 0
        async with self._reader() as reader, aclosing(read_ranges(reader, ranges, self._topic, stall_s=_STALL_S)) as found:
            async for partition, run in found:
                pieces.setdefault(partition, []).extend(run)
                records += len(run)
                size += sum(len(record.value or b"") for record in run)
                if records >= SLICE_RECORDS or size >= _SLICE_BYTES:
                    break
        return list(heapq.merge(*pieces.values(), key=lambda record: record.timestamp))

    async def ends(self) -> dict[int, int]:
        """Where the log ends now, asked of the broker. Raises as `read`."""
        async with self._reader() as reader:
            return await log_ends(reader, self._topic)

    async def close(self) -> None:
        """Let go of the readers."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(stop_quietly(reader) for reader in idle))

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        async with self._turns:
            reader = self._idle.pop() if self._idle else await self._new_reader()
            try:
                with broker_errors():
                    yield reader
            except BaseException:
                # The reader may hold half a fetch or a dead connection: the next one is made anew.
                await stop_quietly(reader)
                raise
            self._idle.append(reader)

    async def _new_reader(self) -> AIOKafkaConsumer:
        with broker_errors():
            reader = new_piece_reader(self._settings, "feed-replay")
            try:
                await reader.start()
            except BaseException:
                await stop_quietly(reader)
                raise
            return reader
