"""Bytes to messages: what stands in the two topics, read so that every reader comes to the same verdict.

A message is read in one pass by the shape of its kind. Whatever that pass does not take is looked at again, member by member: an
earlier version, another spelling of the same JSON, and everything that is wrong, which is named.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import orjson
from msgspec import Struct

from event_schemas.commands import Command, InvalidCommand
from event_schemas.events import Record
from event_schemas.field_checks import FieldChecks
from event_schemas.messages import KEY_HASH, SchemaVersion, Time
from event_schemas.registry import COMMANDS, RECORDS, CommandKind, RecordKind
from event_schemas.upcasters import Upcaster, upcast
from event_schemas.values import MAX_TEXT, canonical_uuid, in_utc, printable, printable_text

_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_ID_LENGTH = 36
_OF_LENGTHS = dict.fromkeys(
    ("Expected `str` of length >= 1", f"Expected `str` of length <= {MAX_TEXT}"), f"must have 1 to {MAX_TEXT} characters"
)
"""msgspec's words for a text that is too short or too long, and the words of the rule."""
_is_key_hash = KEY_HASH.match


class Unreadable(ValueError):
    """The bytes are no message of ours; the text says why. Such bytes belong among the dead letters."""


class NewerSchema(Exception):
    """The message was written by a later release than this one; passing it by would lose it. Deploy the later release."""


class _Head(Struct, frozen=True, gc=False):
    """What the messages of every release have. Ids are read as text: an id has one spelling only."""

    id: str
    order_id: str
    type: str
    schema_version: SchemaVersion


class _RecordHead(_Head, frozen=True, gc=False):
    command_id: str


class _Shape(NamedTuple):
    """How messages of one kind are read."""

    version: int
    steps: Sequence[Upcaster]
    type: Any
    decode: Callable[[bytes], Any]
    checks: FieldChecks


class _Topic:
    """How the messages of one topic are read."""

    def __init__(self, what: str, head: type[_Head], envelope: Any, kinds: Sequence[CommandKind | RecordKind]) -> None:
        self.what = what
        self._head = head
        self._ids = [name for name in ("id", "order_id", "command_id") if name in head.__struct_fields__]
        self._read_ids = attrgetter(*self._ids)
        self._ids_length = _ID_LENGTH * len(self._ids)
        self._decode_head = msgspec.json.Decoder(head).decode
        self._shapes = {kind.name: self._shape(envelope, kind) for kind in kinds}

    @staticmethod
    def _shape(envelope: Any, kind: CommandKind | RecordKind) -> _Shape:
        shape = envelope[kind.data]
        return _Shape(kind.version, kind.steps, shape, msgspec.json.Decoder(shape).decode, FieldChecks(envelope, kind.data))

    def in_one_pass(self, value: bytes) -> Any | None:
        """The message; None: it must be looked at again."""
        try:
            head: Any = self._decode_head(value)
            shape = self._shapes.get(head.type)
            if shape is None or head.schema_version != shape.version:
                return None
            ids = "".join(self._read_ids(head))
            # A UUID has 32 or, with its hyphens, 36 characters; small letters make it canonical.
            if len(ids) != self._ids_length or not ids.islower():
                return None
            message = shape.checks.in_utc(shape.decode(value))
            plain = value.isascii() and b"\\" not in value and b"\x7f" not in value
            if not plain:
                value.decode()  # what is passed over may be no UTF-8
            shape.checks.require(message, plain=plain)
        except (ValueError, RecursionError):
            return None
        return message

    def parsed(self, value: bytes) -> dict[str, Any]:
        """The message's members. Raises Unreadable."""
        try:
            message = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"is no {self.what}: not JSON ({error.msg})") from error
        if not isinstance(message, dict):
            raise Unreadable(f"is no {self.what}: not a JSON object")
        return message

    def by_members(self, message: dict[str, Any]) -> Any:
        """The message, of whatever version. Raises ValueError with what is wrong, and NewerSchema."""
        head = msgspec.convert(message, self._head)
        for name in self._ids:
            _named(name, canonical_uuid, getattr(head, name))
        shape = self._shapes.get(head.type)
        if shape is None or head.schema_version > shape.version:
            raise NewerSchema(self._newer(head, shape))
        read = shape.checks.in_utc(msgspec.convert(upcast(message, shape.steps), shape.type))
        shape.checks.require(read, plain=False)
        return read

    def _newer(self, head: _Head, shape: _Shape | None) -> str:
        knows = "no such type" if shape is None else str(shape.version)
        found = f"{printable(head.type, 60)!r} of schema_version {head.schema_version}"
        return f"{self.what} {head.id} is {found}, this release knows {knows}: deploy the later release"


_COMMANDS = _Topic("command", _Head, Command, COMMANDS)
_RECORDS = _Topic("record", _RecordHead, Record, RECORDS)


def decode_record(value: bytes | None) -> Record:
    """Read a record of the event log, of whatever version, as the current version would have said it. By its shape alone.

    Raises Unreadable when the bytes are no record, NewerSchema when a later release wrote them.
    """
    if value is None:
        raise Unreadable("is no record: it has no value")
    record: Record | None = _RECORDS.in_one_pass(value)
    if record is not None:
        return record
    message = _RECORDS.parsed(value)
    try:
        return _RECORDS.by_members(message)  # type: ignore[no-any-return]  # a Record
    except ValueError as error:
        raise Unreadable(f"is no record: {problem_text(error)}") from error


def decode_command(value: bytes | None) -> Command | InvalidCommand:
    """Read a command, of whatever version, as the current version would have said it. By its shape and today's rules.

    Raises Unreadable when its ids can't be read, NewerSchema when a later release wrote it. With readable ids but unusable
    content it is an InvalidCommand, which the aggregate rejects.
    """
    if value is None:
        raise Unreadable("is no command: it has no value")
    command: Command | None = _COMMANDS.in_one_pass(value)
    if command is not None:
        return command
    message = _COMMANDS.parsed(value)
    try:
        return _COMMANDS.by_members(message)  # type: ignore[no-any-return]  # a Command
    except ValueError as error:
        return _invalid(message, problem_text(error))


def problem_text(error: ValueError) -> str:
    """What is wrong with a message and where, in at most 300 printable characters."""
    said, _, path = str(error).partition(" - at `$")
    said = _OF_LENGTHS.get(said, said)
    where = path.removesuffix("`").replace("[", ".").replace("]", "").removeprefix(".")
    return printable(f"{where}: {said}" if where else said)


def _named(name: str, check: Callable[[Any], Any], value: Any) -> None:
    try:
        check(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _invalid(message: dict[str, Any], problem: str) -> InvalidCommand:
    command_id, order_id = _canonical_id(message, "id"), _canonical_id(message, "order_id")
    return InvalidCommand(
        id=command_id,
        order_id=order_id,
        type=_read_or("unknown", printable_text, message.get("type")),
        key_hash=_key_hash(message.get("key_hash")),
        correlation_id=_read_or(str(command_id), printable_text, message.get("correlation_id")),
        # The time comes from the command alone, so that deciding again gives the same bytes.
        issued_at=_time(message.get("issued_at")),
        actor=_read_or("unknown", printable_text, message.get("actor")),
        problem=problem,
    )


def _canonical_id(message: dict[str, Any], name: str) -> UUID:
    value = message.get(name)
    try:
        return canonical_uuid(value if isinstance(value, str) else "")
    except ValueError as error:
        raise Unreadable(f"is no command: {name} {error}") from error


def _read_or(otherwise: str, check: Callable[[str], str], value: object) -> str:
    try:
        return check(value) if isinstance(value, str) else otherwise
    except ValueError:
        return otherwise


def _key_hash(value: object) -> str | None:
    return value if isinstance(value, str) and _is_key_hash(value) else None


def _time(value: object) -> datetime:
    try:
        return in_utc(msgspec.convert(value, Time))
    except ValueError:
        return _UNKNOWN_TIME
