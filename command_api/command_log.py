"""The edge to Kafka: appends commands to `order-commands`, and stays able to when the broker goes and comes back."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Histogram

from event_schemas.positions import CommandPlace
from event_schemas.topics import COMMANDS
from infra.health import Health
from infra.kafka import new_producer, partition_of
from infra.settings import Settings
from infra.topic_guard import wait_for_topics

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
_REASON = "commands"


class NotAcknowledged(Exception):
    """The broker did not say that it has the command. It may have it all the same."""


@dataclass(frozen=True, slots=True)
class _Open:
    producer: AIOKafkaProducer
    partitions: int

    def partition_count_now(self) -> int:
        return len(self.producer.client.cluster.partitions_for_topic(COMMANDS) or ())


class CommandLog:
    """Appends to `order-commands` as long as `run` runs.

    An idempotent aiokafka producer may refuse every message after an outage (OutOfOrderSequenceNumber, aiokafka #1017),
    so the first failure of any kind replaces it; the old one gets the time that its requests have left.
    """

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._open: _Open | None = None
        self._opened = asyncio.Event()
        self._broken = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command and return where it stands, once all replicas in sync have it.

        Raises NotAcknowledged after at most ORDERS_PRODUCE_TIMEOUT seconds: the outcome is then unknown.
        """
        begun = perf_counter()
        used: _Open | None = None
        try:
            async with asyncio.timeout(self._settings.produce_timeout_s):
                used = await self._producer()
                place = await _append(used, order_id, value, headers)
        except (KafkaError, TimeoutError) as error:
            _UNACKNOWLEDGED.inc()
            self._give_up(used, error)
            raise NotAcknowledged(f"{type(error).__name__}: {error}") from error
        _APPEND.observe(perf_counter() - begun)
        return place

    async def opened(self) -> None:
        """Return once commands can be appended."""
        await self._opened.wait()

    async def _producer(self) -> _Open:
        if self._open is None:
            async with asyncio.timeout(_SWAP_S):
                await self._opened.wait()
        assert self._open is not None  # `_opened` is set exactly while it is
        return self._open

    def _give_up(self, used: _Open | None, error: Exception) -> None:
        """Let a producer go that failed. Does nothing when another has taken its place already."""
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
                    opened = await self._connect()
                except (KafkaError, TimeoutError, OSError) as error:
                    self._health.wait_for(_REASON, f"no producer for {COMMANDS}: {type(error).__name__}: {error}; trying again")
                    await asyncio.sleep(_SWAP_S)
                    continue
                self._open = opened
                self._opened.set()
                self._health.settled(_REASON)
                await self._watch(opened)
                self._health.wait_for(_REASON, "the broker does not acknowledge commands: requests are answered 503 until it does")
        finally:
            await self._close()

    async def _connect(self) -> _Open:
        await wait_for_topics(self._settings, self._health)
        producer = new_producer(self._settings, "order-gateway")
        try:
            async with asyncio.timeout(self._settings.produce_timeout_s):
                await producer.start()
                partitions = await producer.partitions_for(COMMANDS)
        except BaseException:
            await _retire(producer, _SWAP_S)
            raise
        return _Open(producer, len(partitions))

    async def _watch(self, opened: _Open) -> None:
        """Return when this producer is done for: a request failed, the brokers don't answer, or the topic has changed."""
        while not self._broken.is_set():
            try:
                await asyncio.wait_for(self._broken.wait(), _PROBE_S)
            except TimeoutError:
                problem = await _problem_of(opened, self._settings.produce_timeout_s)
                if problem is not None:
                    self._give_up(opened, KafkaError(problem))

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

    What the broker has not acknowledged within `patience_s` is dropped; whoever sent it was told that its outcome is unknown.
    """
    try:
        await asyncio.wait_for(producer.stop(), patience_s)
    except TimeoutError:
        await producer._sender.close()  # `stop` alone would wait for the broker to come back
        held = producer._message_accumulator
        for batch in [batch for batches in held._batches.values() for batch in batches]:
            batch.drain_ready()  # else asyncio reports that nobody has looked at its failure
            held._pending_batches.add(batch)  # a batch that waits to be sent again takes itself out of there when it fails
        held.fail_all(KafkaError("given up"))
        await producer.client.close()
