"""The raw bytes of both topics, read as the design says, without code of the product. No I/O of its own."""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tools.faults.checks.raw_topics import RawRecord
from tools.faults.load.noise_writer import partition_of

_TYPES = {"OrderCreated", "OrderShipped", "OrderCancelled", "CommandRejected"}
_TEXTS = ("id", "type", "order_id", "command_id", "correlation_id", "occurred_at", "actor")


class Entry(NamedTuple):
    """An envelope of the log, where it stands, and where its command stood."""

    partition: int
    offset: int
    timestamp_ms: int
    command_offset: int
    envelope: dict[str, Any]
    value: bytes

    @property
    def place(self) -> str:
        """The place as text."""
        return f"order-events/{self.partition}/{self.offset}"

    @property
    def rejected_as(self) -> str | None:
        """The rejection's code, None for an event."""
        return str(self.envelope["data"]["code"]) if self.envelope["type"] == "CommandRejected" else None


class Command(NamedTuple):
    """A command with readable ids that stands where its order lives."""

    partition: int
    offset: int
    timestamp_ms: int
    id: str
    order_id: str
    message: dict[str, Any]

    @property
    def place(self) -> str:
        """The place as text."""
        return f"order-commands/{self.partition}/{self.offset}"


@dataclass
class ReadLog:
    """One partition of the log, sorted out."""

    counting: list[Entry] = field(default_factory=list)
    void: list[RawRecord] = field(default_factory=list)
    garbage: list[RawRecord] = field(default_factory=list)


@dataclass
class ReadCommands:
    """One partition of the commands, sorted out. A command that was sent twice is there twice."""

    commands: list[Command] = field(default_factory=list)
    garbage: list[RawRecord] = field(default_factory=list)

    def firsts(self) -> dict[str, Command]:
        """Each command where it stands first, in the order of the topic."""
        found: dict[str, Command] = {}
        for command in self.commands:
            found.setdefault(command.id, command)
        return found


def read_log(records: Iterable[RawRecord]) -> ReadLog:
    """A record counts if it is an envelope that stands at its place."""
    log = ReadLog()
    for record in records:
        envelope = _envelope(record.value)
        place, command_offset = _number(record, "place"), _number(record, "command_offset")
        if envelope is None:
            log.garbage.append(record)
        elif place != record.offset:
            log.void.append(record)
        elif command_offset is None or record.key != envelope["order_id"].encode():
            log.garbage.append(record)
        else:
            log.counting.append(Entry(record.partition, record.offset, record.timestamp_ms, command_offset, envelope, record.value or b""))
    return log


def read_commands(records: Sequence[RawRecord], partitions: int) -> ReadCommands:
    """A record counts as a command if both its ids are canonical UUIDs, its key is its order, and its partition the order's."""
    read = ReadCommands()
    for record in records:
        message = json_object(record.value)
        if (
            message is None
            or not is_uuid(message.get("id"))
            or not is_uuid(message.get("order_id"))
            or record.key != message["order_id"].encode()
            or partition_of(message["order_id"], partitions) != record.partition
        ):
            read.garbage.append(record)
        else:
            command = Command(record.partition, record.offset, record.timestamp_ms, message["id"], message["order_id"], message)
            read.commands.append(command)
    return read


def is_uuid(text: object) -> bool:
    """Whether the text is a canonical lower-case UUID."""
    try:
        return isinstance(text, str) and str(uuid.UUID(text)) == text
    except ValueError:
        return False


def json_object(value: bytes | None) -> dict[str, Any] | None:
    """The JSON object that these bytes are, None when they are no such object."""
    try:
        message = json.loads(value or b"")
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _envelope(value: bytes | None) -> dict[str, Any] | None:
    message = json_object(value)
    if message is None or any(not isinstance(message.get(name), str) for name in _TEXTS) or message["type"] not in _TYPES:
        return None
    ids = all(is_uuid(message[name]) for name in ("id", "order_id", "command_id"))
    numbers = all(isinstance(message.get(name), int) for name in ("version", "schema_version"))
    return message if ids and numbers and isinstance(message.get("data"), dict) else None


def _number(record: RawRecord, header: str) -> int | None:
    values = [value for name, value in record.headers if name == header]
    return int(values[0]) if values and values[0].isdigit() else None
