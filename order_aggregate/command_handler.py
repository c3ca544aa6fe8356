"""The aggregate's own part of a fetch: decide, per partition in order, and append; nothing is told before it counts."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord
from prometheus_client import Counter, Gauge

from event_schemas.commands import Command, InvalidCommand
from event_schemas.decoding import NewerSchema, Unreadable, decode_command
from event_schemas.encoding import value_bytes
from event_schemas.events import CommandRejected
from infra.event_log.runs import run_from
from infra.faust.fetches import Progress, Records
from infra.kafka.partitioner import partition_of_key
from infra.process.health import Health
from order_aggregate.assignment import Assignment
from order_aggregate.partition_state import PartitionState
from order_aggregate.record_appender import Outgoing, RecordAppender, encode
from order_aggregate.snapshots import Snapshots

LOOK_AGAIN_S = 2.0
LOOK_AGAIN_AT_MOST_S = 60.0
DeadLetter = Callable[[ConsumerRecord, str], Awaitable[None]]
TakeOver = Callable[[frozenset[int]], Awaitable[Assignment]]

_DECIDED = Counter("orders_decided_commands", "Commands decided, by ending", ["ending"])
_ACCEPTED, _REJECTED, _REPEATED = (_DECIDED.labels(ending) for ending in ("accepted", "rejected", "repeated"))
_HOLES = Counter("orders_command_holes", "Fetches that did not go on at the next command, and were read again")
_NEXT = Gauge("orders_next_command", "The next command to be decided, by partition", ["partition"])
_AGE = Gauge("orders_decided_age_seconds", "Age of the newest decided command when it was decided")


@dataclass(frozen=True)
class Ports:
    """The aggregate's connections to Kafka and the disk."""

    take_over: TakeOver
    appender: RecordAppender
    dead_letter: DeadLetter
    snapshots: Snapshots


class CommandHandler:
    """Implements infra.faust.fetches.FetchHandler for `order-commands`."""

    def __init__(self, health: Health, ports: Ports, *, partition_count: int) -> None:
        self._health = health
        self._ports = ports
        self._partition_count = partition_count
        self._partitions: dict[int, PartitionState] = {}
        self._refused: frozenset[int] = frozenset()
        self._waiting: set[int] = set()
        self._look_again_at = 0.0
        self._pause_s = LOOK_AGAIN_S

    async def assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Forget everything, fold the log, go on where it ends."""
        self._partitions.clear()
        for number in list(self._waiting):
            self._goes_on(number)
        self._pause_s = LOOK_AGAIN_S
        return await self._take_over_some(partitions)

    async def _take_over_some(self, numbers: frozenset[int]) -> Mapping[int, int]:
        assignment = await self._ports.take_over(numbers)
        self._partitions |= assignment.partitions
        self._refused = frozenset(assignment.refused)
        # Looking again folds the whole partition, so it gets rarer.
        self._look_again_at, self._pause_s = time.monotonic() + self._pause_s, min(2 * self._pause_s, LOOK_AGAIN_AT_MOST_S)
        for number, reason in assignment.refused.items():
            self._waits(number, reason)
        for number, partition in assignment.partitions.items():
            self._goes_on(number)
            _NEXT.labels(number).set(partition.next_command)
        return {number: partition.next_command for number, partition in assignment.partitions.items()}

    def _waits(self, number: int, reason: str) -> None:
        self._waiting.add(number)
        self._health.wait_for(f"partition {number}", reason)

    def _goes_on(self, number: int) -> None:
        self._waiting.discard(number)
        self._health.settled(f"partition {number}")

    async def handle(self, records: Records) -> Progress:
        """Decide one fetch, all partitions first, then append all at once; done when every record is known to count."""
        reopen: dict[int, int] = {}
        closed: set[int] = set()
        appends = []
        for number, fetched in records.items():
            partition = self._partitions[number]
            run, hole = run_from(partition.next_command, fetched)
            outgoing, stopped = await self._decide_run(number, partition, run)
            appends.append(self._append(number, partition, outgoing))
            if stopped:
                closed.add(number)
            elif hole:
                _HOLES.inc()
                reopen[number] = partition.next_command
        await asyncio.gather(*appends)
        self._ports.snapshots.take_due(self._partitions)  # nothing is in flight here
        if self._refused and time.monotonic() > self._look_again_at:
            reopen |= await self._take_over_some(self._refused)
        return Progress({number: self._partitions[number].next_command for number in records}, reopen, frozenset(closed))

    def decided(self) -> dict[int, int]:
        """Per partition the offset below which every command has its record in the log, as far as it is acknowledged."""
        return {number: partition.last_command[1] + 1 for number, partition in self._partitions.items() if partition.last_command}

    async def _decide_run(self, number: int, partition: PartitionState, run: Sequence[ConsumerRecord]) -> tuple[list[Outgoing], bool]:
        """Decide a run: the records to append, and whether the partition must stop at a later release's command."""
        outgoing: list[Outgoing] = []
        repeated = rejected = 0
        stopped = False
        for kafka_record in run:
            try:
                command = _readable(kafka_record, self._partition_count)
            except Unreadable as error:
                await self._ports.dead_letter(kafka_record, str(error))
            except NewerSchema as error:
                self._waits(number, f"{kafka_record.topic}-{number} at {kafka_record.offset}: {error}")
                stopped = True
                break
            else:
                decided = partition.decide(command)
                if decided is None:
                    repeated += 1
                else:
                    rejected += isinstance(decided.record.data, CommandRejected)
                    outgoing.append(encode(decided.record, decided.value, kafka_record))
            partition.next_command = kafka_record.offset + 1
        # Counted once a run: a counter's lock costs more than the counting.
        _REPEATED.inc(repeated)
        _REJECTED.inc(rejected)
        _ACCEPTED.inc(len(outgoing) - rejected)
        if run and not stopped:
            _AGE.set(max(0.0, time.time() - run[-1].timestamp / 1000))
        return outgoing, stopped

    async def _append(self, number: int, partition: PartitionState, outgoing: list[Outgoing]) -> None:
        if outgoing:
            last, next_place = outgoing[-1], await self._ports.appender.append(number, outgoing, partition.next_place)
            partition.acknowledged(next_place=next_place, command_offset=last.command_offset, command_id=last.command_id, value=last.value)
        _NEXT.labels(number).set(partition.next_command)


def _readable(kafka_record: ConsumerRecord, partitions: int) -> Command | InvalidCommand:
    """The command, if it stands where its order lives: on the partition of its key.

    Raises Unreadable for a misrouted one, and as `decode_command`.
    """
    command = decode_command(kafka_record.value)
    if kafka_record.key != value_bytes(command.order_id):
        raise Unreadable("is misrouted: its key is not its order_id")
    partition = partition_of_key(kafka_record.key, partitions)
    if partition != kafka_record.partition:
        raise Unreadable(f"is misrouted: its order lives on partition {partition}")
    return command
