"""What the reader before says: runs in the interpreter of a checkout of 0b5ddea, and imports nothing of this one.

Reads pickled lists of messages from its input, and writes lists of answers: (verdict, value, reason). `value` is the message as it
would be written again. A verdict `raises …` is an exception that no reader's caller expects.
"""

import importlib
import json
import pickle
import sys
from types import SimpleNamespace

codec = importlib.import_module("event_schemas.codec")
gate = importlib.import_module("infra.gate")
commands = importlib.import_module("event_schemas.commands")
message_bytes = importlib.import_module("event_schemas.message_bytes").message_bytes


def _command(value):
    try:
        command = codec.decode_command(value)
    except codec.Unreadable as error:
        return "unreadable", "", str(error)
    except codec.NewerSchema as error:
        return "newer", "", str(error)
    if isinstance(command, commands.InvalidCommand):
        fields = command.model_dump(mode="json")
        problem = fields.pop("problem")
        return "invalid", json.dumps(fields, sort_keys=True), problem
    return "command", message_bytes(command).decode(), ""


def _record(value, key, offset, headers):
    found = SimpleNamespace(partition=0, offset=offset, timestamp=0, key=key, value=value, headers=headers)
    try:
        verdict = gate.judge(found)
    except codec.NewerSchema as error:
        return "newer", "", str(error)
    if isinstance(verdict, gate.Garbage):
        return "garbage", "", verdict.reason
    if isinstance(verdict, gate.Void):
        return "void", "", ""
    return "counts", f"{verdict.command_offset} {message_bytes(verdict.record).decode()}", ""


def answer(message):
    """The reader's answer to one message."""
    topic, value, key, offset, headers = message
    try:
        return _command(value) if topic == "command" else _record(value, key, offset, headers)
    except Exception as error:  # noqa: BLE001  # the comparison counts what no reader may raise
        return f"raises {type(error).__name__}", "", str(error)[:200]


def main():
    """Answer until the input ends."""
    while True:
        try:
            messages = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump([answer(message) for message in messages], sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
