"""The offset from which an assigned partition continues: the log is folded, and the command topic is checked to still fit it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka import ConsumerRecord, TopicPartition

from event_schemas.decoding import NewerSchema, Unreadable, decode_command
from event_schemas.recorded import RecordedMessage, classify
from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.metrics import count_passed_by
from infra.event_log.partition_fold import fold_partitions
from infra.event_log.reader import read_ranges, reading
from infra.kafka.clients import new_reader
from infra.process.settings import Settings
from order_aggregate.partition_state import PartitionState
from order_aggregate.snapshots import Snapshots


@dataclass
class Assignment:
    """The partitions that can go on, folded, and those that must wait, with the reason."""

    partitions: dict[int, PartitionState] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


async def take_over(settings: Settings, numbers: Iterable[int], snapshots: Snapshots, gets_on: Callable[[], None]) -> Assignment:
    """Fold these partitions, from their snapshots on, and check their commands. Calls `gets_on` with every record.

    Raises LogUnreadable on a hole in the log, BrokerAway.
    """
    loaded = await snapshots.load(numbers)
    partitions = {number: loaded.get(number) or PartitionState() for number in numbers}

    def apply(kafka_record: ConsumerRecord) -> None:
        gets_on()
        classified = classify(kafka_record)
        partition = partitions[kafka_record.partition]
        if isinstance(classified, RecordedMessage):
            partition.apply(classified.record, offset=classified.offset, command_offset=classified.command_offset, value=kafka_record.value)
        else:
            count_passed_by(classified)
            partition.pass_by(offset=kafka_record.offset, value=kafka_record.value)

    starts = {number: partition.next_place for number, partition in partitions.items()}
    folded = await fold_partitions(settings, EVENTS, starts, apply)
    good = {number: partition for number, partition in partitions.items() if number not in folded.refused}
    refused = folded.refused | await _misfits(settings, good)
    return Assignment({number: partition for number, partition in good.items() if number not in refused}, refused)


async def _misfits(settings: Settings, partitions: dict[int, PartitionState]) -> dict[int, str]:
    """The partitions whose commands are not those from which the log was decided, with the reason."""
    if not partitions:
        return {}
    async with reading(new_reader(settings, "order-resume")) as reader:
        tps = {TopicPartition(COMMANDS, number): partition for number, partition in partitions.items()}
        begins, ends = await reader.beginning_offsets(list(tps)), await reader.end_offsets(list(tps))
        problems = {tp.partition: range_problem(partition.next_command, begins[tp], ends[tp]) for tp, partition in tps.items()}
        decided = {
            tp.partition: partition.last_command
            for tp, partition in tps.items()
            if problems[tp.partition] is None and partition.last_command is not None and begins[tp] <= partition.last_command[1]
        }
        ranges = {number: (offset, offset + 1) for number, (_, offset) in decided.items()}
        async for number, records in read_ranges(reader, ranges, COMMANDS):
            problems[number] = identity_problem(records[0].value, *decided[number])
        return {number: f"{COMMANDS}-{number}: {problem}" for number, problem in problems.items() if problem}


def range_problem(next_command: int, begin: int, end: int) -> str | None:
    """Why a topic with this begin and end can't be the one whose next command is `next_command`; None when it can."""
    if begin > next_command:
        return f"begins at {begin}, but {next_command} is to be decided next: commands were deleted before they were decided"
    if end < next_command:
        return f"ends at {end}, but everything below {next_command} was decided: the topic was replaced or cut"
    return None


def identity_problem(value: bytes | None, command_id: UUID, offset: int) -> str | None:
    """Why these bytes at `offset` can't be the command that was decided there; None when they are."""
    try:
        found = decode_command(value).id
    except Unreadable:
        found = None
    except NewerSchema as newer:
        return f"at {offset}: {newer}"
    if found == command_id:
        return None
    return f"has another command at {offset} than the one that was decided there ({command_id}): the topic was replaced"
