"""The edge to Kafka: appends commands to `order-commands`, and stays able to when the broker goes and comes back."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OutOfOrderSequenceNumber, ProducerClosed, RecordListTooLargeError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from prometheus_client import Counter, Histogram

from event_schemas.positions import CommandPlace
from event_schemas.topics import COMMANDS, MAX_COMMAND_BYTES
from infra.errors import BrokerAway
from infra.kafka.clients import MAX_BATCH_BYTES, broker_errors, new_producer
from infra.kafka.partitioner import partition_of
from infra.kafka.topic_guard import command_limit, wait_for_topics
from infra.process.health import Health
from infra.process.settings import Settings

_log = logging.getLogger(__name__)
_APPEND = Histogram(
    "orders_command_append_seconds",
    "From handing a command to the producer to the broker's acknowledgement",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
_UNACKNOWLEDGED = Counter("orders_commands_unacknowledged", "Commands that the broker did not acknowledge in time")
_PROBE_S = 2.0
_SWAP_S = 1.0
"""How long a request waits for a producer while one is being replaced; while the broker is away it is answered after this time."""
_PRODUCERS = 3
"""How many producers may have a command: one that does not know the topic's limit, one that does, and one if it was lowered again."""
_REASON = "commands"
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class NotAcknowledged(Exception):
    """The broker did not say that it has the command. The broker may have it all the same."""


class CommandTooLarge(Exception):
    """The topic does not take a command of this size: it was not appended, and sending it again changes nothing."""

    def __init__(self, *, size: int, largest: int) -> None:
        super().__init__(f"the command would take {size} bytes in {COMMANDS}, which takes at most {largest}")


@dataclass(slots=True)
class _Open:
    """`largest`: bytes of a batch that the topic takes. `outgrown`: the topic takes less than was thought, and batches were refused."""

    producer: AIOKafkaProducer
    partitions: int
    largest: int = MAX_COMMAND_BYTES
    outgrown: bool = False

    def partition_count_now(self) -> int:
        return len(self.producer.client.cluster.partitions_for_topic(COMMANDS) or ())


class _Sent:
    """A command on its way. `used`: the producer that had it last."""

    def __init__(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        self.order_id, self.value, self.headers = order_id, value, headers
        self.size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(order_id.encode(), value, list(headers))
        self.used: _Open | None = None


class CommandLog:
    """Appends to `order-commands` as long as `run` runs.

    An idempotent aiokafka producer may refuse every message after an outage (OutOfOrderSequenceNumber, aiokafka #1017),
    so the first failure of any kind replaces it; the old one gets the time that its requests have left.

    Size is a command's own matter, and judged before the producer has it. Only when an operator has lowered the topic's limit does
    the broker refuse a batch, and with it every command in it. aiokafka 0.14 has counted them by then and does not count back, so
    that the broker refuses all later ones of that partition as out of sequence (test_command_sizes.py shows it on Kafka 4.1). So a
    producer with the topic's limit takes over, once, and a command that was refused by no fault of its own is appended by the new producer.
    """

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._open: _Open | None = None
        self._opened = asyncio.Event()
        self._broken = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()
        self._outgrown = False

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command and return where it stands, once all replicas in sync have it.

        Raises NotAcknowledged after at most ORDERS_PRODUCE_TIMEOUT seconds: the outcome is then unknown; CommandTooLarge.
        """
        begun = perf_counter()
        sent = _Sent(order_id, value, headers)
        try:
            async with asyncio.timeout(self._settings.produce_timeout_s):
                place = await self._placed(sent)
        except (KafkaError, TimeoutError) as error:
            _UNACKNOWLEDGED.inc()
            self._give_up(sent.used, error)
            raise NotAcknowledged(f"{type(error).__name__}: {error}") from error
        _APPEND.observe(perf_counter() - begun)
        return place

    async def _placed(self, sent: "_Sent") -> CommandPlace:
        """Append until a producer has it that knows the topic's limit. Raises CommandTooLarge, KafkaError, TimeoutError."""
        for _ in range(_PRODUCERS):
            used = sent.used = await self._producer()
            if sent.size > used.largest:
                raise CommandTooLarge(size=sent.size, largest=used.largest)
            try:
                return await _append(used, sent.order_id, sent.value, sent.headers)
            except (*_TOO_LARGE, OutOfOrderSequenceNumber, ProducerClosed) as error:
                refused = error
            if isinstance(refused, _TOO_LARGE):
                self._outgrow(used, refused)
            elif not used.outgrown:
                break
        raise refused

    async def opened(self) -> None:
        """Return once commands can be appended."""
        await self._opened.wait()

    async def _producer(self) -> _Open:
        if self._open is None:
            async with asyncio.timeout(_SWAP_S):
                await self._opened.wait()
        assert self._open is not None  # `_opened` is set exactly while it is
        return self._open

    def _outgrow(self, used: _Open, refused: KafkaError) -> None:
        """Let a producer go that a refused batch has put out of sequence; the next one asks the topic what it takes."""
        used.outgrown = True
        self._outgrown |= used is self._open
        self._give_up(used, refused)

    def _give_up(self, used: _Open | None, error: Exception) -> None:
        """Let a failed producer go. Does nothing when another has taken its place already."""
        if used is None or used is not self._open:
            return
        _log.warning("replacing the producer: %s: %s", type(error).__name__, error)
        self._open = None
        self._opened.clear()
        self._broken.set()
        retirement = asyncio.create_task(_retire(used.producer, self._settings.produce_timeout_s))
        self._retiring.add(retirement)
        retirement.add_done_callback(self._retiring.discard)

    async def run(self) -> None:
        """Keep a working producer open, until cancelled. While there is none `health` says why."""
        try:
            while True:
                self._broken.clear()
                try:
                    with broker_errors():
                        opened = await self._connect()
                except BrokerAway as error:
                    self._health.wait_for(_REASON, f"no producer for {COMMANDS}: {error}; trying again")
                    await asyncio.sleep(_SWAP_S)
                    continue
                self._open = opened
                self._opened.set()
                self._health.settled(_REASON)
                await self._watch(opened)
                if not self._outgrown:  # otherwise no request is refused: the next producer has what the broker did not take
                    self._health.wait_for(_REASON, "the broker does not acknowledge commands: requests are answered 503 until it does")
        finally:
            await self._close()

    async def _connect(self) -> _Open:
        if self._outgrown:  # the guard would wait until the topic is mended, and every command is refused meanwhile
            largest = await command_limit(self._settings)
        else:
            await wait_for_topics(self._settings, self._health)
            largest = MAX_COMMAND_BYTES
        producer = new_producer(self._settings, "order-gateway", batch_bytes=min(MAX_BATCH_BYTES, largest))
        try:
            async with asyncio.timeout(self._settings.produce_timeout_s):
                await producer.start()
                partitions = await producer.partitions_for(COMMANDS)
        except BaseException:
            await _retire(producer, _SWAP_S)
            raise
        self._outgrown = False
        return _Open(producer, len(partitions), largest)

    async def _watch(self, opened: _Open) -> None:
        """Return when this producer is done for: a request failed, the brokers don't answer, or the topic has changed."""
        while not self._broken.is_set():
            try:
                await asyncio.wait_for(self._broken.wait(), _PROBE_S)
            except TimeoutError:
                problem = await _problem_of(opened, self._settings.produce_timeout_s)
                if problem is not None:
                    self._give_up(opened, KafkaError(problem))
                elif opened.largest < MAX_COMMAND_BYTES:
                    with suppress(BrokerAway):  # the next look may be answered
                        opened.largest = await command_limit(self._settings)

    async def _close(self) -> None:
        if self._open is not None:
            await _retire(self._open.producer, self._settings.produce_timeout_s)
            self._open = None
        for retirement in list(self._retiring):
            retirement.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)


async def _append(opened: _Open, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> CommandPlace:
    partition = partition_of(order_id, opened.partitions)
    if opened.partition_count_now() != opened.partitions:
        raise KafkaError(f"the partitions of {COMMANDS} have changed")
    delivery = await opened.producer.send(COMMANDS, value, order_id.encode(), partition=partition, headers=headers)
    acknowledged = await delivery
    if acknowledged.offset < 0 or (acknowledged.log_start_offset or 0) < 0:
        # The broker knows the batch as a repeat but no longer where it stands; aiokafka takes that for success.
        raise KafkaError("the broker does not say where the command stands")
    return CommandPlace(partition, acknowledged.offset)


async def _problem_of(opened: _Open, patience_s: float) -> str | None:
    """Ask the brokers for the topic: what is wrong, None when all is well."""
    try:
        async with asyncio.timeout(patience_s):
            answered = await opened.producer.client.force_metadata_update()
    except TimeoutError:
        answered = False
    if not answered:
        return "no broker answers"
    return None if opened.partition_count_now() == opened.partitions else f"the partitions of {COMMANDS} have changed"


async def _retire(producer: AIOKafkaProducer, patience_s: float) -> None:
    """Stop a producer, also one that will never get rid of what it holds: an idempotent batch does not expire by itself.

    What the broker has not acknowledged within `patience_s` is dropped; its client was told that the outcome is unknown.
    """
    try:
        await asyncio.wait_for(producer.stop(), patience_s)
    except TimeoutError:
        await producer._sender.close()  # `stop` alone would wait for the broker to come back
        held = producer._message_accumulator
        for batch in [batch for batches in held._batches.values() for batch in batches]:
            batch.drain_ready()  # else asyncio reports that its failure was never looked at
            held._pending_batches.add(batch)  # a batch that waits to be sent again takes itself out of there when it fails
        held.fail_all(KafkaError("given up"))
        await producer.client.close()
