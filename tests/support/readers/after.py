"""What this checkout's reader says of a message, in the words of `before.py`."""

import json
from types import SimpleNamespace
from typing import NamedTuple

import msgspec

from event_schemas.commands import InvalidCommand
from event_schemas.decoding import NewerSchema, Unreadable, decode_command
from event_schemas.recorded import Undecodable, Void, classify
from tests.support.readers.mutated import Message


class Answer(NamedTuple):
    """`value`: the message as it would be written again; `reason`: why it is refused."""

    verdict: str
    value: str
    reason: str


def answer(message: Message) -> Answer:
    """The reader's answer to one message."""
    try:
        return _command(message.value) if message.topic == "command" else _record(message)
    except Exception as error:  # noqa: BLE001  # the comparison counts what no reader may raise
        return Answer(f"raises {type(error).__name__}", "", str(error)[:200])


def _command(value: bytes) -> Answer:
    try:
        command = decode_command(value)
    except Unreadable as error:
        return Answer("unreadable", "", str(error))
    except NewerSchema as error:
        return Answer("newer", "", str(error))
    if isinstance(command, InvalidCommand):
        fields = msgspec.to_builtins(command)
        fields.setdefault("key_hash", None)
        problem = fields.pop("problem")
        return Answer("invalid", json.dumps(fields, sort_keys=True), problem)
    return Answer("command", command.encoded().decode(), "")


def _record(message: Message) -> Answer:
    _, value, key, offset, headers = message
    found = SimpleNamespace(partition=0, offset=offset, timestamp=0, key=key, value=value, headers=headers)
    try:
        verdict = classify(found)
    except NewerSchema as error:
        return Answer("newer", "", str(error))
    if isinstance(verdict, Undecodable):
        return Answer("garbage", "", verdict.reason)
    if isinstance(verdict, Void):
        return Answer("void", "", "")
    return Answer("counts", f"{verdict.command_offset} {verdict.record.encoded().decode()}", "")
