"""What stands in the topics is a promise: yesterday's bytes are read today, and today's code still writes them."""

import orjson
import pytest
from aiokafka import ConsumerRecord
from jsonschema import Draft202012Validator

from event_schemas.commands import InvalidCommand
from event_schemas.decoding import decode_command, decode_record
from event_schemas.schema_files import FOLDER as SCHEMAS
from event_schemas.schema_files import KINDS
from event_schemas.topics import COMMANDS
from order_aggregate.record_appender import encode
from tests.support.golden import CASES, FOLDER, FOLDS, digest_of, folds, golden_bytes, golden_files, sums

_COMMAND_FILES = golden_files("command")
_RECORD_FILES = golden_files("record")


def _name(path) -> str:
    return path.name


def _is_current(path) -> bool:
    message = orjson.loads(path.read_bytes())
    return message["schema_version"] == KINDS[message["type"]].version


_EARLIER_RECORDS = [path for path in _RECORD_FILES if not _is_current(path)]


@pytest.mark.parametrize("path", [path for path in _RECORD_FILES if _is_current(path)], ids=_name)
def test_a_golden_record_is_read_and_written_again_byte_for_byte(path):
    assert decode_record(path.read_bytes()).encoded() == path.read_bytes()


@pytest.mark.parametrize("path", [path for path in _COMMAND_FILES if _is_current(path)], ids=_name)
def test_a_golden_command_is_read_and_written_again_byte_for_byte(path):
    command = decode_command(path.read_bytes())

    assert not isinstance(command, InvalidCommand), command.problem
    assert command.encoded() == path.read_bytes()


@pytest.mark.parametrize("path", _COMMAND_FILES, ids=_name)
def test_a_golden_command_of_any_version_is_read_as_one_of_the_current_version(path):
    command = decode_command(path.read_bytes())

    assert not isinstance(command, InvalidCommand), command.problem
    assert command.schema_version == KINDS[command.type].version


@pytest.mark.parametrize("path", _EARLIER_RECORDS, ids=_name)
def test_a_golden_record_of_an_earlier_version_is_read_as_the_current_one_would_have_said_it(path):
    record, written = decode_record(path.read_bytes()), orjson.loads(path.read_bytes())

    assert record.schema_version == KINDS[record.type].version > written["schema_version"]
    now = orjson.loads(record.encoded())
    assert now == {**written, "schema_version": record.schema_version, "data": now["data"]}, "an upcaster changes the data only"


def test_an_order_of_version_1_says_that_nobody_asked_for_its_channel():
    asked_by_nobody = decode_record((FOLDER / "CreateOrder.record.json").read_bytes())
    told_by_nobody = decode_record((FOLDER / "CreateOrder.v2.record.json").read_bytes())

    assert (asked_by_nobody.data.sales_channel, told_by_nobody.data.sales_channel) == ("unknown", None)


def test_every_version_of_every_message_has_a_golden_one():
    messages = [orjson.loads(path.read_bytes()) for path in [*_COMMAND_FILES, *_RECORD_FILES]]
    found = {(message["type"], message["schema_version"]) for message in messages}

    assert found == {(name, version) for name, kind in KINDS.items() for version in range(1, kind.version + 1)}


def test_no_golden_message_was_changed_or_removed():
    assert {path.name: digest_of(path) for path in [*_COMMAND_FILES, *_RECORD_FILES]} == sums()


@pytest.mark.parametrize("story", sorted(orjson.loads(FOLDS.read_bytes())))
def test_golden_records_are_folded_as_they_were_by_the_release_that_wrote_them(story):
    """By the aggregate and by every table. A later release may add columns; what stood in the others stays."""
    assert _kept(orjson.loads(FOLDS.read_bytes())[story], folds()[story])


def test_every_story_of_golden_records_has_its_fold():
    assert folds().keys() == orjson.loads(FOLDS.read_bytes()).keys(), "write them with `python -m tests.support.golden`"


def _kept(before, now) -> bool:
    if isinstance(before, dict):
        return isinstance(now, dict) and all(name in now and _kept(value, now[name]) for name, value in before.items())
    if isinstance(before, list):
        return isinstance(now, list) and len(before) == len(now) and all(map(_kept, before, now))
    return bool(before == now)


@pytest.mark.parametrize("name", sorted(golden_bytes()))
def test_todays_code_gives_the_golden_bytes(name):
    path = FOLDER / name

    assert path.exists(), f"{name} is missing: write it with `python -m tests.support.golden` and commit it"
    assert golden_bytes()[name] == path.read_bytes(), (
        f"{name} differs from what was released: a message only grows by optional fields; anything else is a new schema_version"
    )


def test_no_golden_message_has_lost_its_case():
    assert {path.name for path in [*_COMMAND_FILES, *_RECORD_FILES] if _is_current(path)} == set(golden_bytes())


@pytest.mark.parametrize("path", [*_COMMAND_FILES, *_RECORD_FILES], ids=_name)
def test_a_golden_message_fits_its_json_schema(path):
    message = orjson.loads(path.read_bytes())
    schema = orjson.loads((SCHEMAS / message["type"] / f"v{message['schema_version']}.json").read_bytes())

    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(message)


_TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_record_is_keyed_and_labelled_as_published():
    key = b"6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01"
    command = ConsumerRecord(COMMANDS, 3, 517, 0, 0, key, b"", None, 0, 0, (("traceparent", _TRACE), ("other", b"stays behind")))

    record = CASES["ShipOrder"].record()
    outgoing = encode(record, record.encoded(), command)

    assert (outgoing.key, outgoing.value) == (key, record.encoded())
    assert outgoing.command_offset == 517
    assert dict(outgoing.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(CASES["ShipOrder"].record().id).encode(),
        "ce_source": b"/orders",
        "ce_type": b"OrderShipped",
        "ce_subject": outgoing.key,
        "ce_time": b"2026-01-31T12:00:00Z",
        "content-type": b"application/json",
        "traceparent": _TRACE,
    }
