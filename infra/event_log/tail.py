"""The live end of the event log: one reader of all partitions per process, shared by all that waits for records."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from prometheus_client import Counter

from event_schemas.decoding import NewerSchema
from event_schemas.positions import LogIdentity
from event_schemas.recorded import RecordedMessage, classify
from event_schemas.topics import EVENTS
from infra.errors import BrokerAway, LogUnreadable
from infra.event_log.append_times import PartitionAges
from infra.event_log.metrics import count_passed_by
from infra.event_log.offset_waiters import Reached
from infra.event_log.reader import first_record_digest, log_ends, log_identity, stop_quietly
from infra.event_log.runs import run_from
from infra.event_log.tail_watch import look_after, why_other
from infra.kafka.clients import bootstrap_servers, broker_errors, new_piece_reader
from infra.process.health import Health
from infra.process.settings import Settings

Delivered = Callable[[int, Sequence[RecordedMessage], int], None]
"""Called with partition, the records of a run that count, and the offset after the run (void records and garbage included)."""

_RETRY_S = 0.5
_ANSWER_S = 10.0
_PIECE = 200
"""Records delivered without letting the loop do anything else: about 10 ms."""
_UNHURRIED_S = 0.1
"""Pause between two looks of a tail that nobody waits for."""
_HEALTH = "event log"
_log = logging.getLogger(__name__)
_REOPENED = Counter("orders_log_tail_reopened", "Times the reader of the log's end was made anew")
_REPLACED = Counter("orders_log_tail_replaced", "Times the log turned out to be another one than before")


class LogTail:
    """Reads every partition from the end of the log on, without a group, and hands each run to all subscribers.

    It survives outages of the broker by itself and goes on at its own offsets; `health` says when it can't read. If the log
    was replaced or cut off, it starts anew at the new end and tells the subscribers of `on_replaced`.
    """

    def __init__(self, settings: Settings, client_id: str, *, health: Health, topic: str = EVENTS) -> None:
        self._settings, self._client_id, self._health, self._topic = settings, client_id, health, topic
        self._identity = LogIdentity(0)
        self._ends: dict[int, int] = {}
        self._closed: set[int] = set()
        self._ages: dict[int, PartitionAges] = {}
        self._reached = Reached()
        self._subscribers: dict[object, Delivered] = {}
        self._on_replaced: list[Callable[[], None]] = []
        self._positioned = asyncio.Event()
        self._hurried = asyncio.Event()
        self._hurried.set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Start; returns when positioned at the log's end, however long the broker is away. Raises BrokerAway when none is configured."""
        bootstrap_servers(self._settings)
        self._task = asyncio.create_task(self._run(), name="log tail")
        positioned = asyncio.create_task(self._positioned.wait())
        try:
            await asyncio.wait({self._task, positioned}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            positioned.cancel()
        if self._task.done():
            self._task.result()

    async def positioned(self, timeout_s: float) -> None:
        """Return when the log's end was found, or when the time is up."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._positioned.wait(), timeout_s)

    async def stop(self) -> None:
        """Stop. Takes at most about 2 s, broker or not."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def ended(self) -> None:
        """Return after `stop`; raise the unexpected error that ended the tail. A process that lives on its tail awaits this."""
        assert self._task is not None
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()
        elif not self._stopping:
            raise RuntimeError("the log tail was cancelled by someone else than its owner")

    @property
    def identity(self) -> LogIdentity:
        """Which log is read; kept current as partitions begin."""
        return self._identity

    @property
    def ends(self) -> Mapping[int, int]:
        """Per partition the offset after the last record seen; a live view."""
        return MappingProxyType(self._ends)

    def subscribe(self, delivered: Delivered) -> Callable[[], None]:
        """Hand every run from now on to `delivered`, on the loop, in the log's order; returns what ends it.

        No await stands between a run and `ends`: read `ends` before the next await after subscribing, and no later record is missed.
        """
        key = object()
        self._subscribers[key] = delivered

        def unsubscribe() -> None:
            self._subscribers.pop(key, None)

        return unsubscribe

    def on_replaced(self, replaced: Callable[[], None]) -> None:
        """Call `replaced` when the log is another one than before: all offsets and positions handed out are void."""
        self._on_replaced.append(replaced)

    def hurry(self, wanted: bool) -> None:
        """Whether somebody waits for what comes; at first, yes. Else it is delivered ten times a second, for a fraction of the cost."""
        (self._hurried.set if wanted else self._hurried.clear)()

    async def wait_until(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        """Wait until everything below these offsets was seen and handed to the subscribers; False when the time is up first."""
        try:
            async with asyncio.timeout(timeout_s):
                for partition, offset in next_offsets.items():
                    if self._ends.get(partition, 0) < offset:
                        await self._reached.future(partition, offset)
        except TimeoutError:
            return False
        return True

    @property
    def ages(self) -> Mapping[int, PartitionAges]:
        """Per partition when offsets were appended, from where this tail began; a live view."""
        return MappingProxyType(self._ages)

    async def _run(self) -> None:
        while True:
            try:
                with broker_errors():
                    async with self._opened() as reader:
                        self._health.settled(_HEALTH)
                        self._positioned.set()
                        await self._read(reader)
            except BrokerAway as error:
                where = bootstrap_servers(self._settings)
                self._health.wait_for(_HEALTH, f"the event log can't be read at {where} ({error}): is Kafka running?")
            except LogUnreadable as error:
                self._health.wait_for(_HEALTH, str(error))
            _REOPENED.inc()
            await asyncio.sleep(_RETRY_S)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A reader that goes on at this tail's own offsets."""
        reader = new_piece_reader(self._settings, self._client_id, wait_ms=500)
        try:
            async with asyncio.timeout(_ANSWER_S):
                await reader.start()
                await self._settle_on_a_log()
            tps = [TopicPartition(self._topic, partition) for partition in self._ends if partition not in self._closed]
            reader.assign(tps)
            for tp in tps:
                reader.seek(tp, self._ends[tp.partition])
            yield reader
        finally:
            await stop_quietly(reader)

    async def _settle_on_a_log(self) -> None:
        """Learn which log there is. If it is another one than before, begin at its end."""
        reader = new_piece_reader(self._settings, f"{self._client_id}-identity")
        try:
            await reader.start()
            ends = await log_ends(reader, self._topic)
            other = why_other(self._identity, self._ends, await log_identity(reader, self._topic, ends), ends)
            if other and self._ends:
                # A leader that has just taken over may know less of its log for a moment: believe only what is the same at the next look.
                await asyncio.sleep(2.0)
                ends = await log_ends(reader, self._topic)
            identity = await log_identity(reader, self._topic, ends)
        finally:
            await stop_quietly(reader)
        other = why_other(self._identity, self._ends, identity, ends)
        if other:
            self._begin(identity, ends, other)

    def _begin(self, identity: LogIdentity, ends: Mapping[int, int], reason: str) -> None:
        replaced = bool(self._ends)
        self._identity = identity
        self._ends.clear()
        self._ends.update(ends)
        self._closed.clear()
        now_ms = int(time.time() * 1000)
        self._ages = {partition: PartitionAges([end], [now_ms]) for partition, end in ends.items()}
        if replaced:
            _REPLACED.inc()
            _log.warning("reading the event log anew from its end: %s", reason)
            for tell in self._on_replaced:
                tell()

    async def _read(self, reader: AIOKafkaConsumer) -> None:
        watch = asyncio.create_task(look_after(reader, self._topic, self._ends, self._closed))
        try:
            while not watch.done():
                pieces = await reader.getmany(timeout_ms=1000, max_records=_PIECE)
                for tp, records in pieces.items():
                    self._take(tp.partition, records)
                    if tp.partition in self._closed:
                        reader.pause(tp)
                await self._pause()
            watch.result()
        finally:
            watch.cancel()

    async def _pause(self) -> None:
        if self._hurried.is_set():
            await asyncio.sleep(0)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), _UNHURRIED_S)

    def _take(self, partition: int, records: Sequence[ConsumerRecord]) -> None:
        if partition in self._closed:
            return
        run, hole = run_from(self._ends[partition], records)
        counted: list[RecordedMessage] = []
        ages, next_offset = self._ages[partition], self._ends[partition]
        for record in run:
            try:
                classified = classify(record)
            except NewerSchema as error:
                self._closed.add(partition)
                self._health.wait_for(f"{_HEALTH} {partition}", f"{self._topic}/{partition} stops at offset {record.offset}: {error}")
                break
            if record.offset == 0:
                first = {**self._identity.first, partition: first_record_digest(record.value)}
                self._identity = LogIdentity(self._identity.partitions, first)
            if isinstance(classified, RecordedMessage):
                counted.append(classified)
            else:
                count_passed_by(classified)
            ages.remember(record.offset, record.timestamp)
            next_offset = record.offset + 1
        self._deliver(partition, counted, next_offset)
        if hole and partition not in self._closed:
            raise LogUnreadable(f"{self._topic}/{partition} has a hole at offset {next_offset}")

    def _deliver(self, partition: int, counted: Sequence[RecordedMessage], next_offset: int) -> None:
        if next_offset == self._ends[partition]:
            return
        self._ends[partition] = next_offset
        for delivered in list(self._subscribers.values()):
            delivered(partition, counted, next_offset)
        self._reached.advance(partition, next_offset)
