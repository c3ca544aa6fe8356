"""The gate: the one place where a reader learns which records of the log count.

A record counts if it stands at the offset that its writer named (header `place`); anything else is void and every reader
passes it by. One look at one record decides, so all readers agree, whenever and in whatever order they read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from prometheus_client import Counter

from event_schemas.decoding import NewerSchema, Unreadable, decode_keyed_record
from event_schemas.events import Record
from event_schemas.topics import COMMAND_OFFSET, PLACE

_VOID = Counter("orders_void_records", "Records of the log that do not stand at the place their writer named")
_UNREADABLE = Counter("orders_unreadable_records", "Records of the log that are no envelope")


class KafkaRecord(Protocol):
    """What the gate reads of a Kafka record; aiokafka's ConsumerRecord is one."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Any


class Counted(NamedTuple):
    """A record that counts, with where and when it was appended."""

    record: Record
    partition: int
    offset: int
    timestamp_ms: int
    command_offset: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Void:
    """An envelope that does not stand where its writer meant it to; it counts nowhere."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no envelope, with the reason; they belong among the dead letters."""

    partition: int
    offset: int
    reason: str


Verdict = Counted | Void | Garbage


def header_number(headers: Iterable[tuple[str, bytes | None]], name: str) -> int | None:
    """The decimal number in a header, None when it is not there or is no number."""
    for key, value in headers:
        if key == name:
            return int(value) if value is not None and value.isdigit() and len(value) < 20 else None
    return None


def judge(kafka_record: KafkaRecord) -> Verdict:
    """Say what a record of the log is. Raises NewerSchema when a later release wrote it and it counts."""
    partition, offset = kafka_record.partition, kafka_record.offset
    in_place = header_number(kafka_record.headers, PLACE) == offset
    try:
        record, key = decode_keyed_record(kafka_record.value)
    except Unreadable as error:
        _UNREADABLE.inc()
        return Garbage(partition, offset, str(error))
    except NewerSchema:
        if in_place:
            raise
        _VOID.inc()
        return Void(partition, offset)
    if not in_place:
        _VOID.inc()
        return Void(partition, offset)
    command_offset = header_number(kafka_record.headers, COMMAND_OFFSET)
    if command_offset is None:
        _UNREADABLE.inc()
        return Garbage(partition, offset, "is no record: the header command_offset is missing or no number")
    if kafka_record.key != key:
        _UNREADABLE.inc()
        return Garbage(partition, offset, "is no record: its key is not its order_id")
    return Counted(record, partition, offset, kafka_record.timestamp, command_offset, kafka_record.value or b"")


def counted(kafka_records: Iterable[KafkaRecord]) -> Iterator[Counted]:
    """The records that count, in the order of the log; the others are passed by. Raises NewerSchema, see `judge`."""
    for kafka_record in kafka_records:
        verdict = judge(kafka_record)
        if isinstance(verdict, Counted):
            yield verdict
