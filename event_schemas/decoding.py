"""Bytes to messages: what stands in the two topics, read so that every reader comes to the same verdict."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from event_schemas.bounds import MAX_MEMBERS, beyond_bounds
from event_schemas.commands import COMMAND_SCHEMA_VERSIONS, COMMAND_TYPES, Command, InvalidCommand
from event_schemas.events import EVENT_SCHEMA_VERSIONS, RECORD_TYPES, Record
from event_schemas.pydantic_internals import PlainReader
from event_schemas.upcasters import COMMAND_STEPS, RECORD_STEPS, Upcaster, chains, upcast

_COMMAND_READERS = {model.model_fields["type"].default: PlainReader(model) for model in COMMAND_TYPES}
_RECORD_READERS = {kind: PlainReader(model) for kind, model in RECORD_TYPES.items()}
# A gap raises here, so that no process starts that could not read its log.
_COMMAND_CHAINS = chains(COMMAND_SCHEMA_VERSIONS, COMMAND_STEPS)
_RECORD_CHAINS = chains(EVENT_SCHEMA_VERSIONS, RECORD_STEPS)
_LARGE = 8 * 1024
"""Bytes. A command that is no longer can't have so many faults that looking for them all takes long."""
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"


class Unreadable(ValueError):
    """The bytes are no message of ours; the text says why. Such bytes belong among the dead letters."""


class NewerSchema(Exception):
    """The message was written by a later release than this one; passing it by would lose it. Deploy the later release."""


def _object(value: bytes | None, what: str) -> dict[str, Any]:
    if value is None:
        raise Unreadable(f"is no {what}: it has no value")
    try:
        message = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"is no {what}: not JSON ({error.msg})") from error
    if not isinstance(message, dict):
        raise Unreadable(f"is no {what}: not a JSON object")
    return message


def first_problem(error: ValidationError) -> str:
    """The first thing that a model found wrong, with the field's name, in at most 300 printable characters."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    text = f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
    # The writer of the message chose the field's name: a database refuses some characters, a terminal obeys others.
    return "".join(character if character.isprintable() else "?" for character in text)[:300]


def _current(message: dict[str, Any], chain: Sequence[Upcaster], what: str) -> dict[str, Any]:
    """The message in the version that the models know."""
    known, version = len(chain) + 1, message.get("schema_version")
    if version == known:
        return message
    if isinstance(version, int) and version > known:
        kind = str(message.get("type"))[:60]
        raise NewerSchema(
            f"{what} {message.get('id')} is {kind!r} of schema_version {version}, this release knows {known}: deploy the later release"
        )
    return upcast(message, chain)


def decode_record(value: bytes | None) -> Record:
    """Read a record of the event log, of whatever version, as the current version would have said it.

    Raises Unreadable when the bytes are no envelope, NewerSchema when a later release wrote them.
    """
    return decode_keyed_record(value)[0]


def decode_keyed_record(value: bytes | None) -> tuple[Record, bytes]:
    """Like `decode_record`, with the record's key: its order's id as text. Raises as `decode_record`."""
    message = _object(value, "record")
    kind = str(message.get("type"))
    message = _current(message, _RECORD_CHAINS.get(kind, ()), "record")
    reader = _RECORD_READERS.get(kind)
    if reader is None:
        raise Unreadable(f"is no record: unknown type {kind[:60]!r}")
    try:
        # Only the canonical text of an id is read as one, so it need not be made again.
        return reader.read(message), message["order_id"].encode()
    except ValidationError as error:
        raise Unreadable(f"is no record: {first_problem(error)}") from error


def decode_command(value: bytes | None) -> Command | InvalidCommand:
    """Read a command, of whatever version, as the current version would have said it.

    Raises Unreadable when its ids can't be read, NewerSchema when a later release wrote it. With readable ids but unusable
    content it is an InvalidCommand, which the aggregate rejects.
    """
    return decode_keyed_command(value)[0]


def decode_keyed_command(value: bytes | None) -> tuple[Command | InvalidCommand, bytes]:
    """Like `decode_command`, with the command's key: its order's id as text. Raises as `decode_command`."""
    message = _object(value, "command")
    kind = str(message.get("type"))
    message = _current(message, _COMMAND_CHAINS.get(kind, ()), "command")
    broken = _broken_bound(message) if len(value or b"") > _LARGE else None
    command = _command(message, kind) if broken is None else _invalid(message, broken)
    return command, message["order_id"].encode()


def _broken_bound(message: dict[str, Any]) -> str | None:
    """The bound that another writer's command breaks, if any; checked before the command's parts are."""
    if len(message) > MAX_MEMBERS:
        return f"must have at most {MAX_MEMBERS} members"
    broken = beyond_bounds(message.get("data"), with_lines=True)
    return None if broken is None else f"{'.'.join(str(part) for part in ('data', *broken[0]))}: {broken[1]}"


def _command(message: dict[str, Any], kind: str) -> Command | InvalidCommand:
    reader = _COMMAND_READERS.get(kind)
    if reader is not None:
        try:
            return reader.read(message)  # type: ignore[no-any-return]  # one of the commands' models
        except ValidationError as error:
            return _invalid(message, first_problem(error))
    return _invalid(message, "type: must be CreateOrder, ShipOrder or CancelOrder")


def _canonical_id(message: dict[str, Any], name: str) -> UUID:
    text = message.get(name)
    try:
        value = UUID(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise Unreadable(f"is no command: {name} is no UUID") from error
    if str(value) != text:
        raise Unreadable(f"is no command: {name} is no UUID in canonical lower-case form")
    return value


def _invalid(message: dict[str, Any], problem: str) -> InvalidCommand:
    command_id, order_id = _canonical_id(message, "id"), _canonical_id(message, "order_id")
    readable = {
        "key_hash": _key_hash(message.get("key_hash")),
        "type": _text_or(message.get("type"), "unknown"),
        "correlation_id": _text_or(message.get("correlation_id"), str(command_id)),
        "actor": _text_or(message.get("actor"), "unknown"),
    }
    try:
        return InvalidCommand(id=command_id, order_id=order_id, problem=problem, issued_at=message.get("issued_at"), **readable)
    except ValidationError:
        # Only the time can still be wrong. It comes from the command alone, so that deciding again gives the same bytes.
        return InvalidCommand(id=command_id, order_id=order_id, problem=problem, issued_at=_UNKNOWN_TIME, **readable)


def _text_or(value: object, otherwise: Any) -> Any:
    if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable():
        return value
    return otherwise


def _key_hash(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else None
