"""Looking up single places of a topic on demand: one reader, made at the first question and kept."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from infra.errors import Away, BrokerAway
from infra.event_log.reader import read_range, stop_quietly
from infra.kafka.clients import broker_errors, new_piece_reader
from infra.process.settings import Settings

ANSWER_S = 8.0
"""Longest that one question may take, waiting for its turn included."""


class RecordReader:
    """Answers one question at a time. Disturbs no consumer: it has no group and commits nothing."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self._settings, self._client_id = settings, client_id
        self._reader: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def stop(self) -> None:
        """Let go of the reader; takes at most 2 s."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await stop_quietly(reader)

    async def at(self, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
        """The record at this place; None when it was deleted, or when the topic ends before it. Raises BrokerAway."""
        records = await self.between(topic, partition, offset, offset + 1)
        return records[0] if records and records[0].offset == offset else None

    async def between(self, topic: str, partition: int, start: int, end: int) -> Sequence[ConsumerRecord]:
        """What is still there of the records from `start` up to but not including `end`. Raises BrokerAway."""
        try:
            with broker_errors():
                async with asyncio.timeout(ANSWER_S), self._turn:
                    return await self._answer(TopicPartition(topic, partition), start, end)
        except (Away, ValueError) as error:
            # The name only: the text goes to clients, and a client library's own words name the brokers' addresses.
            why = type(error.__cause__ or error).__name__
            raise BrokerAway(f"{topic}/{partition} can't be read at {start} ({why}): is Kafka running?") from error

    async def _answer(self, tp: TopicPartition, start: int, end: int) -> Sequence[ConsumerRecord]:
        found: list[ConsumerRecord] = []
        try:
            reader = await self._opened()
            begins, ends = await reader.beginning_offsets([tp]), await reader.end_offsets([tp])
            async for records in read_range(reader, tp.partition, max(start, begins[tp]), min(end, ends[tp]), tp.topic):
                found += records
                await asyncio.sleep(0)
        except BaseException:
            # The reader was interrupted in the middle of something: the next question gets another one.
            await self.stop()
            raise
        return found

    async def _opened(self) -> AIOKafkaConsumer:
        if self._reader is None:
            reader = new_piece_reader(self._settings, self._client_id)
            try:
                await reader.start()
            except BaseException:
                await stop_quietly(reader)
                raise
            self._reader = reader
        return self._reader
