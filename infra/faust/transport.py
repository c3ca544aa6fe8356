"""A Faust transport that hands an agent whole fetches, registered under Faust's entry-point group `faust.transports`.

Faust's own delivery costs about 50 µs a message and loses and reorders messages at rebalances (FAUST.md 2, 6, 7, 23, 32).
Nothing here depends on its acknowledgements: the log says where to go on, so per-message bookkeeping is left out. Nothing of
a partition is delivered until the agent has opened it at an offset of its own choice.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import faust.transport.drivers.aiokafka as driver
import uvloop
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from infra.faust.fetches import Fetch
from infra.faust.group_membership import RUNS_EVERY_S, Membership, freeze_proof_s


class FetchRate:
    """At most one fetch that brings something in `every_s` seconds; a fetch after a quiet time does not wait."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_at = 0.0

    async def turn(self) -> None:
        """Return when the next fetch may begin."""
        left = self._next_at - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    def fetched(self) -> None:
        """Note that a fetch has brought something."""
        self._next_at = time.monotonic() + self._every_s


POLL_S = 0.5
"""Longest wait for one fetch, and so the longest pause between two ticks."""
UNOPENED_POLL_S = 0.1

_log = logging.getLogger(__name__)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, which also knows whether it slept through its membership."""

    membership: Membership

    def __init__(self, consumer: "Consumer", **kwargs: Any) -> None:
        super().__init__(consumer, thread_loop=uvloop.new_event_loop(), **kwargs)
        self._close_thread_loop_on_stop = True  # a loop that it is handed is left open otherwise

    async def on_start(self) -> None:
        """Start the consumer and watch its heartbeats."""
        self.membership = Membership()
        await super().on_start()
        self.add_future(self._say_that_it_runs())
        coordinator = self._ensure_consumer()._coordinator
        send_heartbeat = coordinator._do_heartbeat

        async def watched_heartbeat() -> bool:
            sent_at = freeze_proof_s()
            confirmed: bool = await send_heartbeat()
            if confirmed:
                self.membership.confirmed(sent_at)
            return confirmed

        coordinator._do_heartbeat = watched_heartbeat

    async def fetch(self, partitions: set[TP], timeout_s: float) -> Mapping[TP, Sequence[ConsumerRecord]]:
        """The records of one fetch; awaited in the loop that delivers them.

        It goes straight into the thread's loop: Faust's queue of calls makes eight tasks more, a tenth of what a fetch of one record costs.
        """
        consumer = self._ensure_consumer()
        fetching = self._fetch_records(consumer, partitions, timeout_s, consumer._max_poll_records)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetching, self.thread_loop))

    async def _say_that_it_runs(self) -> None:
        while not self.should_stop:
            self.membership.runs()
            await self.sleep(RUNS_EVERY_S)

    async def commit_quietly(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit for display and for back-pressure: no worker reads it, so a failure is not worth a process. Whether it succeeded."""
        consumer = self._ensure_consumer()
        mine = {tp: OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in consumer.assignment()}
        try:
            if mine:
                await consumer.commit(mine)
        except (KafkaError, IllegalStateError) as error:
            _log.debug("offsets not committed: %s", error)
            return False
        return True


class Consumer(driver.Consumer):
    """Delivers fetches of opened partitions into `app.fetches`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.assigned: frozenset[int] = frozenset()
        self.assignment_number = 0
        self._openings: dict[int, int] = {}
        self._opened = 0
        self._done: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._pace = FetchRate(self.app.pace_s)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # What the agent says

    async def open(self, offsets: Mapping[int, int]) -> None:
        """Deliver these partitions from these offsets on; whatever was fetched of them before is stale.

        What is below is done, so it is committed too: the worker before may have died between its work and its commit, and a
        backlog that looks older than it is would have commands refused.
        """
        assignment = self.assignment_number
        for partition, offset in offsets.items():
            try:
                await self.seek_wait({TP(self.app.source_topic, partition): offset})
            except IllegalStateError:
                if assignment == self.assignment_number:
                    raise
                return  # revoked meanwhile: the next assignment opens anew
            if assignment != self.assignment_number:
                return
            self._opened += 1
            self._openings[partition] = self._opened
            self._done[partition] = offset

    def close_partition(self, partition: int) -> None:
        """Deliver nothing more of this partition until it is opened again."""
        self._openings.pop(partition, None)

    def is_open(self, partition: int, opening: int | None) -> bool:
        """Whether that opening is the partition's present one."""
        return opening is not None and self._openings.get(partition) == opening

    def note_done(self, offsets: Mapping[int, int]) -> None:
        """Note that everything below these offsets is done: shown in the group's committed offsets at the next commit."""
        self._done.update(offsets)

    def slept_through_s(self, session_timeout_s: float) -> float | None:
        """Seconds that the group has not confirmed this member, if it slept through its session; see Membership."""
        slept: float | None = self._thread.membership.slept_through_s(session_timeout_s)
        return slept

    # What Faust calls

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Deliver nothing more; what is fetched already is stale."""
        self._new_assignment(frozenset())
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Let the agent know: the next fetch or tick carries the new assignment."""
        self._thread.membership.confirmed(freeze_proof_s())
        self._new_assignment(frozenset(tp.partition for tp in assigned if tp.topic == self.app.source_topic))
        await super().on_partitions_assigned(assigned, generation_id)

    def _new_assignment(self, assigned: frozenset[int]) -> None:
        self.assignment_number += 1
        self.assigned = assigned
        self._openings.clear()
        self._done.clear()
        self._committed.clear()

    async def perform_seek(self) -> None:
        """Nothing: the agent opens every partition where the log says, whatever the group has committed."""

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002 - Faust's signature
        """Commit what the agent has noted as done, for display only."""
        fresh = {partition: offset for partition, offset in self._done.items() if self._committed.get(partition) != offset}
        if not fresh:
            return False
        assignment = self.assignment_number
        committed = await self._thread.call_thread(
            self._thread.commit_quietly, {TopicPartition(self.app.source_topic, partition): offset for partition, offset in fresh.items()}
        )
        if committed and assignment == self.assignment_number:
            self._committed.update(fresh)  # otherwise the next commit tries again, even when nothing new was done
        return bool(committed)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                    continue
                await self._hand_over(await self._next_fetch())
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.transport.app.should_stop:
                raise

    async def _next_fetch(self) -> Fetch:
        await self._pace.turn()
        number, assigned, openings = self.assignment_number, self.assigned, dict(self._openings)
        if not openings:
            await asyncio.sleep(UNOPENED_POLL_S)
            return Fetch(number, assigned, openings)
        topic = self.app.source_topic
        fetched = await self._thread.fetch({TP(topic, partition) for partition in openings}, POLL_S)
        if fetched:
            self._pace.fetched()
        return Fetch(number, assigned, openings, {tp.partition: records for tp, records in fetched.items() if tp.topic == topic})

    async def _hand_over(self, fetch: Fetch) -> None:
        queues = [subscriber.queue for subscriber in self.app.fetches._subscribers]
        if not any(queue.full() for queue in queues):
            # The usual case: waiting for room, and for a rebalance meanwhile, takes four tasks.
            for queue in queues:
                queue.put_nowait(fetch)
            return
        try:
            await self.wait_first(self.app.fetches.put(fetch), self.suspend_flow.wait())
        except asyncio.CancelledError:  # a rebalance empties the channel's queue and cancels its putter; `next` notices
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise


class Producer(driver.Producer):
    """Faust's producer, made idempotent (FAUST.md 26)."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):
    """`fetches://HOST:PORT`: Kafka by aiokafka, delivered by the fetch."""

    Consumer = Consumer
    Producer = Producer
