"""The types and the released JSON Schemas, held against each other with made-up messages, in both directions."""

import json
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from event_schemas.commands import Command, InvalidCommand
from event_schemas.decoding import decode_command, decode_record
from event_schemas.registry import COMMAND_KINDS, RECORD_KINDS
from event_schemas.schema_files import FOLDER, KINDS, released_schemas
from order_aggregate.partition_state import PartitionState
from tests.contract.strategies import allowed_by, stories
from tests.support.given import ORDER

_FILES = released_schemas(FOLDER)
_VERSIONS = [(name, version) for name in KINDS for version in _FILES[name]]
_OF_COMMANDS = [(name, version) for name, version in _VERSIONS if name in COMMAND_KINDS]
_OF_RECORDS = [(name, version) for name, version in _VERSIONS if name in RECORD_KINDS]
_PHASES = [Phase.generate, Phase.shrink]
_SOME = settings(max_examples=25, deadline=None, derandomize=True, phases=_PHASES, suppress_health_check=list(HealthCheck))


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(_FILES[name][KINDS[name].version], validate_formats=True)


def _fits(value: bytes) -> str:
    """Raises unless the bytes are allowed by the current file of their type, which is given back."""
    message = orjson.loads(value)
    _validator(message["type"]).validate(message)
    return str(message["type"])


def _of(name: str, version: int, **how: bool) -> st.SearchStrategy[bytes]:
    return st.builds(_spelt, allowed_by(_FILES[name][version], **how), escaped=st.booleans())


def _spelt(message: Any, *, escaped: bool) -> bytes:
    return json.dumps(message, ensure_ascii=escaped).encode()


def test_what_todays_rules_allow_and_what_is_decided_of_it_is_allowed_by_the_current_files():
    found = set()

    @settings(_SOME, max_examples=60)
    @given(story=stories(ORDER))
    def decide(story: list[Command]) -> None:
        partition = PartitionState()
        for command in story:
            found.add(_fits(command.encoded()))
            read = decode_command(command.encoded())
            assert not isinstance(read, InvalidCommand), read.problem
            decided = partition.decide(read)
            if decided is not None:
                found.add(_fits(decided.value))

    decide()

    assert found == set(KINDS), "the stories come to every kind of message, else they say nothing of it"


@pytest.mark.parametrize(("name", "version"), _OF_RECORDS)
def test_a_record_that_a_released_file_allows_is_read_and_said_again_as_the_current_file_allows(name: str, version: int):
    @_SOME
    @given(value=_of(name, version))
    def read(value: bytes) -> None:
        assert _fits(decode_record(value).encoded()) == name

    read()


@pytest.mark.parametrize(("name", "version"), _OF_COMMANDS)
def test_a_command_that_a_released_file_and_todays_rules_allow_is_read(name: str, version: int):
    @_SOME
    @given(value=_of(name, version, by_todays_rules=True))
    def read(value: bytes) -> None:
        command = decode_command(value)
        assert isinstance(command, Command), command.problem
        assert _fits(command.encoded()) == name

    read()


@pytest.mark.parametrize(("name", "version"), _OF_COMMANDS)
def test_a_command_that_a_released_file_alone_allows_is_answered(name: str, version: int):
    """It may break a rule of today; then it is an invalid command, which is rejected, and no bytes that nobody can read."""

    @_SOME
    @given(value=_of(name, version))
    def read(value: bytes) -> None:
        command = decode_command(value)
        decided = PartitionState().decide(command)
        assert decided is not None
        _fits(decided.value)

    read()
