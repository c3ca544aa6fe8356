"""Back-pressure: while the oldest waiting command is older than the set age, no further one is taken."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import Gauge

from command_api.submission import CommandAppender
from event_schemas.codes import Code
from event_schemas.positions import CommandPlace
from event_schemas.recorded import RecordedMessage
from infra.errors import Away
from infra.event_log.reader import log_beginnings, log_ends, read_ranges, stop_quietly
from infra.http.problems import Problem
from infra.kafka.clients import broker_errors, new_admin, new_piece_reader
from infra.process.settings import Settings

LOOK_EVERY_S = 1.0
_RETRY_S = 2.0
_ANSWER_S = 10.0

_AGE = Gauge("orders_backlog_age_seconds", "Age of the oldest command that is not decided")
_LENGTH = Gauge("orders_backlog_commands", "Commands that are not decided")
_log = logging.getLogger(__name__)


class CommandLag:
    """The waiting messages of one topic and consumer group. While the brokers do not answer, nothing is known: age 0."""

    def __init__(self, settings: Settings, *, group: str, topic: str) -> None:
        self._settings, self._group, self._topic = settings, group, topic
        self._seen_at = time.monotonic()
        self._age_s = 0.0
        self._decided: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self.length = 0

    def delivered(self, partition: int, records: Sequence[RecordedMessage], _next_offset: int) -> None:
        """Take records that the log's end has brought."""
        if records:
            self._decided[partition] = records[-1].command_offset + 1

    def forget(self) -> None:
        """Forget what was decided: another log has taken the place of the one before."""
        self._decided.clear()

    @property
    def age_s(self) -> float:
        """Seconds that the oldest message has been waiting, 0.0 when none waits."""
        # Between two looks what waits gets older.
        return self._age_s + (time.monotonic() - self._seen_at) if self._age_s else 0.0

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            try:
                await self._look_on()
            except Away as error:
                _log.debug("the backlog is unknown: %s", error)
                self._set(0.0, 0)
            await asyncio.sleep(_RETRY_S)

    async def _look_on(self) -> None:
        with broker_errors():
            admin, reader = new_admin(self._settings, "order-backlog"), new_piece_reader(self._settings, "order-backlog")
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await admin.start()
                    await reader.start()
                while True:
                    async with asyncio.timeout(_ANSWER_S):
                        await self._look(admin, reader)
                    await asyncio.sleep(LOOK_EVERY_S)
            finally:
                await stop_quietly(reader)
                await admin.close()

    async def _look(self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer) -> None:
        committed = await admin.list_consumer_group_offsets(self._group)
        begins, ends = await log_beginnings(reader, self._topic), await log_ends(reader, self._topic)
        # What was deleted does not wait, whatever the group has committed.
        known = {partition: max(self._decided.get(partition, 0), _offset(committed, self._topic, partition)) for partition in ends}
        waiting = _waiting({partition: max(begins[partition], known[partition]) for partition in ends}, ends)
        oldest = time.time()
        # What came after the last look is younger than that. Under load some always waits: to read it would delay what it tells about.
        old = {partition: first for partition, (first, _) in waiting.items() if first < self._ends.get(partition, first + 1)}
        first_ones = {partition: (first, first + 1) for partition, first in old.items()}
        self._ends = ends
        async for _, records in read_ranges(reader, first_ones, self._topic):
            oldest = min(oldest, records[0].timestamp / 1000)
        self._set(max(0.001, time.time() - oldest) if waiting else 0.0, sum(end - first for first, end in waiting.values()))

    def _set(self, age_s: float, length: int) -> None:
        self._age_s, self.length, self._seen_at = age_s, length, time.monotonic()
        _AGE.set(age_s)
        _LENGTH.set(length)


def _offset(committed: Mapping[TopicPartition, object], topic: str, partition: int) -> int:
    found = committed.get(TopicPartition(topic, partition))
    return max(0, getattr(found, "offset", 0))


def _waiting(decided: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Per partition with a backlog: its first waiting offset and its end."""
    return {partition: (decided[partition], end) for partition, end in ends.items() if decided[partition] < end}


_RETRY_AT_MOST_S = 30


class Age(Protocol):
    """How long the oldest command waits; gateway.back_pressure.CommandLag says so."""

    @property
    def age_s(self) -> float:
        """Seconds, 0.0 when none waits."""
        ...


class GuardedLog:
    """A log that takes no command while what it holds is waiting for too long: refusing early keeps the promise of every 202 short."""

    def __init__(self, log: CommandAppender, lag: Age, *, oldest_s: float) -> None:
        self._log, self._lag, self._oldest_s = log, lag, oldest_s

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command. Raises Problem `backlog_too_old` before anything is appended, else what the log itself raises."""
        age = self._lag.age_s
        if age > self._oldest_s:
            raise Problem(
                Code.BACKLOG_TOO_OLD,
                f"commands wait for {age:.0f} s to be decided, longer than {self._oldest_s:g} s: nothing was taken, try again later",
                # As long again as the oldest command has waited: an older backlog gets a longer rest.
                headers={"Retry-After": str(min(_RETRY_AT_MOST_S, ceil(age)))},
            )
        return await self._log.append(order_id, value, headers)
