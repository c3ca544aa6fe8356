"""What stands in the topics is a promise: yesterday's bytes are read today, and today's code still writes them."""

import orjson
import pytest
from aiokafka import ConsumerRecord
from jsonschema import Draft202012Validator

from event_schemas.codec import decode_command, decode_record
from event_schemas.commands import COMMAND_TYPES, InvalidCommand
from event_schemas.events import RECORD_TYPES
from event_schemas.schema_files import FOLDER as SCHEMAS
from event_schemas.topics import COMMANDS
from order_aggregate.record_encoding import encode
from tests.support.golden import CASES, FOLDER, golden_bytes

_COMMAND_FILES = sorted(FOLDER.glob("*.command.json"))
_RECORD_FILES = sorted(FOLDER.glob("*.record.json"))


def _name(path) -> str:
    return path.name


@pytest.mark.parametrize("path", _RECORD_FILES, ids=_name)
def test_a_golden_record_is_read_and_written_again_byte_for_byte(path):
    assert decode_record(path.read_bytes()).encoded() == path.read_bytes()


@pytest.mark.parametrize("path", _COMMAND_FILES, ids=_name)
def test_a_golden_command_is_read_and_written_again_byte_for_byte(path):
    command = decode_command(path.read_bytes())

    assert not isinstance(command, InvalidCommand), command.problem
    assert command.model_dump_json(exclude_none=True).encode() == path.read_bytes()


@pytest.mark.parametrize("name", sorted(golden_bytes()))
def test_todays_code_gives_the_golden_bytes(name):
    path = FOLDER / name

    assert path.exists(), f"{name} is missing: write it with `python -m tests.support.golden` and commit it"
    assert golden_bytes()[name] == path.read_bytes(), (
        f"{name} differs from what was released: a message only grows by optional fields; anything else is a new schema_version"
    )


def test_no_golden_message_has_lost_its_case():
    assert {path.name for path in FOLDER.glob("*.json")} == set(golden_bytes())


def test_every_type_of_message_has_a_golden_one():
    messages = [orjson.loads(path.read_bytes()) for path in FOLDER.glob("*.json")]

    assert {message["type"] for message in messages} == {*RECORD_TYPES, *(model.model_fields["type"].default for model in COMMAND_TYPES)}


@pytest.mark.parametrize("path", [*_COMMAND_FILES, *_RECORD_FILES], ids=_name)
def test_a_golden_message_fits_its_json_schema(path):
    message = orjson.loads(path.read_bytes())
    schema = orjson.loads((SCHEMAS / message["type"] / f"v{message['schema_version']}.json").read_bytes())

    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(message)


def test_a_record_is_keyed_and_labelled_as_published():
    command = ConsumerRecord(COMMANDS, 3, 517, 0, 0, None, b"", None, 0, 0, (("traceparent", b"00-1-2-01"), ("other", b"stays behind")))

    outgoing = encode(CASES["ShipOrder"].record(), command)

    assert outgoing.key == b"6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01"
    assert outgoing.command_offset == 517
    assert dict(outgoing.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(CASES["ShipOrder"].record().id).encode(),
        "ce_source": b"/orders",
        "ce_type": b"OrderShipped",
        "ce_subject": outgoing.key,
        "ce_time": b"2026-01-31T12:00:00Z",
        "content-type": b"application/json",
        "traceparent": b"00-1-2-01",
    }
