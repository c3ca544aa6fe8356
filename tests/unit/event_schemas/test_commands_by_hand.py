"""Whatever somebody writes into the commands' topic by hand is decided, rejected or put aside: no bytes raise anything else."""

import json
from itertools import islice
from uuid import UUID

import orjson
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from event_schemas.commands import Command, InvalidCommand
from event_schemas.decoding import NewerSchema, Unreadable, decode_command, decode_record
from order_aggregate.partition_state import PartitionState
from tests.support.by_hand import with_members_twice, written_by_hand
from tests.support.given import ORDER, create
from tests.support.readers.mutated import Mutations
from tests.support.readers.originals import originals

_BY_HAND = written_by_hand(ORDER)
_MEMBERS = [*orjson.loads(create().encoded()), "key_hash", "expected_version"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _decoded(value):
    """What a worker makes of these bytes: decoded and decided, or put aside, or waited for."""
    try:
        command = decode_command(value)
    except (Unreadable, NewerSchema) as refused:
        return refused
    assert isinstance(command, Command | InvalidCommand)
    decided = PartitionState().decide(command)
    assert decided is not None
    assert decode_record(decided.value) == decided.record
    return command


@pytest.mark.parametrize("written", _BY_HAND.values(), ids=_BY_HAND)
def test_a_command_by_hand_is_rejected_or_put_aside_with_the_reason(written):
    command = _decoded(written.value)

    if written.rejected:
        assert isinstance(command, InvalidCommand), command
        assert command.order_id == ORDER
        assert written.reason in command.problem
    else:
        assert isinstance(command, Unreadable), command
        assert written.reason in str(command)


def test_of_a_member_that_comes_twice_the_last_counts():
    command = _decoded(with_members_twice(ORDER))

    assert isinstance(command, Command), command
    assert (command.data.tracking_number, command.actor) == ("last", "anonymous")


def test_a_type_that_no_release_knows_yet_is_waited_for_and_not_guessed_at():
    for version in (1, 2, 9):
        later = orjson.loads(create().encoded()) | {"type": "ReturnOrder", "schema_version": version}
        assert isinstance(_decoded(orjson.dumps(later)), NewerSchema)


def test_a_type_that_no_release_knows_yet_without_ids_is_put_aside():
    later = orjson.loads(create().encoded()) | {"type": "ReturnOrder", "order_id": UUID(int=0).hex}

    assert isinstance(_decoded(orjson.dumps(later)), Unreadable)


@pytest.mark.parametrize("key_hash", ["x", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n", "é" * 64, 5, [], True])
def test_a_hash_of_a_key_that_is_none_is_not_remembered(key_hash):
    command = _decoded(orjson.dumps(orjson.loads(create().encoded()) | {"key_hash": key_hash}))

    assert isinstance(command, InvalidCommand)
    assert command.key_hash is None


@for_all(st.binary(max_size=200))
def test_any_bytes_are_decided_or_refused(value):
    _decoded(value)


@for_all(st.dictionaries(st.sampled_from(_MEMBERS), _JSON, max_size=4))
def test_any_members_are_decided_or_refused(members):
    message = orjson.loads(create().encoded()) | members
    _decoded(_dumped(message))


@for_all(st.dictionaries(st.sampled_from([*orjson.loads(create().encoded())["data"], "later"]), _JSON, max_size=4))
def test_any_data_is_decided_or_refused(members):
    message = orjson.loads(create().encoded())
    _decoded(_dumped(message | {"data": message["data"] | members}))


def test_mutated_commands_are_decided_or_refused():
    for message in islice(Mutations(20261128, originals(), large=400), 3000):
        if message.topic == "command":
            _decoded(message.value)


def _dumped(message) -> bytes:
    """As JSON, with all that Python's own writer lets pass: NaN, lone surrogates, numbers of any length."""
    return json.dumps(message).encode("utf-8", "surrogatepass")
