"""What a record of the event log is: the one place where it is decided which records count. Pure.

A record counts if it stands at the offset that its writer named (header `place`); anything else is void, and every reader passes
it by. One look at one record decides, so all readers agree, whenever and in whatever order they read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from event_schemas.decoding import NewerSchema, Unreadable, decode_record
from event_schemas.encoding import value_bytes
from event_schemas.events import Record
from event_schemas.topics import COMMAND_OFFSET, PLACE


class KafkaRecord(Protocol):
    """The parts of a Kafka record that are read; aiokafka's ConsumerRecord is one."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Any


class RecordedMessage(NamedTuple):
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
class Undecodable:
    """Bytes that are no envelope, with the reason; they belong among the dead letters."""

    partition: int
    offset: int
    reason: str


_OFFSETS = 2**63
"""An offset is below it (Kafka's int64)."""
_OFFSET_DIGITS = 19

Classified = RecordedMessage | Void | Undecodable


def header_number(headers: Iterable[tuple[str, bytes | None]], name: str) -> int | None:
    """The decimal number in a header; None when the header is missing or holds no number below 2**63."""
    for key, value in headers:
        if key == name:
            return _offset(value)
    return None


def _offset(text: bytes | None) -> int | None:
    if text is None or len(text) > _OFFSET_DIGITS or not text.isdigit():
        return None
    number = int(text)
    return number if number < _OFFSETS else None


def classify(kafka_record: KafkaRecord) -> Classified:
    """Say what a record of the log is. Raises NewerSchema when a later release wrote it and it counts."""
    partition, offset = kafka_record.partition, kafka_record.offset
    in_place = header_number(kafka_record.headers, PLACE) == offset
    try:
        record = decode_record(kafka_record.value)
    except Unreadable as error:
        return Undecodable(partition, offset, str(error))
    except NewerSchema:
        if in_place:
            raise
        return Void(partition, offset)
    if not in_place:
        return Void(partition, offset)
    command_offset = header_number(kafka_record.headers, COMMAND_OFFSET)
    if command_offset is None:
        return Undecodable(partition, offset, "is no record: the header command_offset is missing or no offset")
    if kafka_record.key != value_bytes(record.order_id):
        return Undecodable(partition, offset, "is no record: its key is not its order_id")
    return RecordedMessage(record, partition, offset, kafka_record.timestamp, command_offset, kafka_record.value or b"")


def recorded_messages(kafka_records: Iterable[KafkaRecord]) -> Iterator[RecordedMessage]:
    """The records that count, in the order of the log. Raises NewerSchema, see `classify`."""
    for kafka_record in kafka_records:
        classified = classify(kafka_record)
        if isinstance(classified, RecordedMessage):
            yield classified
