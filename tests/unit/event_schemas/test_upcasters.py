"""From every released version to the current one, without a gap; what was written stays as it was written."""

import importlib.util

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_schemas import decoding, upcasters
from event_schemas.commands import COMMAND_SCHEMA_VERSIONS, InvalidCommand
from event_schemas.decoding import NewerSchema, Unreadable, decode_command, decode_record
from event_schemas.events import EVENT_SCHEMA_VERSIONS
from event_schemas.upcasters import COMMAND_STEPS, RECORD_STEPS, UpcasterGap, chains, upcast
from tests.support.given import create, ship
from tests.support.records import created, shipped

_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
_STEPS = [step for steps in (COMMAND_STEPS, RECORD_STEPS) for of_type in steps.values() for step in of_type.values()]


def _noting(number):
    return lambda data: {**data, "seen": [*data.get("seen", ()), number]}


def _created_in_version_1() -> dict:
    return orjson.loads(created().encoded()) | {"schema_version": 1}


def _create_command(version) -> bytes:
    return orjson.dumps(orjson.loads(create().encoded()) | {"schema_version": version})


def test_from_every_released_version_there_is_a_way_to_the_current_one():
    assert {name: len(chain) + 1 for name, chain in chains(EVENT_SCHEMA_VERSIONS, RECORD_STEPS).items()} == EVENT_SCHEMA_VERSIONS
    assert {name: len(chain) + 1 for name, chain in chains(COMMAND_SCHEMA_VERSIONS, COMMAND_STEPS).items()} == COMMAND_SCHEMA_VERSIONS


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ({}, "T is at version 3, but an upcaster is missing from version 1"),
        ({"T": {1: dict}}, "missing from version 2"),
        ({"T": {2: dict}}, "missing from version 1"),
        ({"T": {1: dict, 2: dict, 3: dict}}, "leads on from version 3"),
        ({"T": {1: dict, 2: dict}, "U": {1: dict}}, "upcasters for U, but no such message"),
    ],
)
def test_a_gap_is_named(steps, told):
    with pytest.raises(UpcasterGap, match=told):
        chains({"T": 3}, steps)


@pytest.mark.parametrize("steps", ["COMMAND_STEPS", "RECORD_STEPS"])
def test_no_process_that_reads_a_log_starts_with_a_gap(steps, monkeypatch):
    monkeypatch.setattr(upcasters, steps, {})
    spec = importlib.util.find_spec("event_schemas.decoding")

    with pytest.raises(UpcasterGap):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize(("version", "seen"), [(1, [1, 2, 3]), (2, [2, 3]), (3, [3])])
def test_a_message_takes_every_step_from_its_own_version_on(version, seen):
    chain = chains({"T": 4}, {"T": {number: _noting(number) for number in (3, 1, 2)}})["T"]
    message = {"id": 1, "schema_version": version, "data": {"kept": 1}}

    assert upcast(message, chain) == {"id": 1, "schema_version": 4, "data": {"kept": 1, "seen": seen}}
    assert message == {"id": 1, "schema_version": version, "data": {"kept": 1}}


@pytest.mark.parametrize("step", _STEPS)
@given(data=st.dictionaries(st.text(max_size=5), _JSON, max_size=4))
@settings(max_examples=25)
def test_a_step_takes_every_object_and_leaves_it_as_it_is(step, data):
    before = repr(data)

    assert isinstance(step(data), dict)
    assert repr(data) == before


def test_an_order_of_version_1_was_sold_where_nobody_asked():
    message = _created_in_version_1()
    assert decode_record(orjson.dumps(message)).data.sales_channel == "unknown"

    message["data"]["sales_channel"] = 7  # to version 1 an unknown field, which readers ignore
    assert decode_record(orjson.dumps(message)).data.sales_channel == "unknown"


def test_an_order_of_version_2_was_sold_where_the_client_said_or_said_nothing():
    assert decode_record(created(sales_channel="web").encoded()).data.sales_channel == "web"
    assert decode_record(created().encoded()).data.sales_channel is None


def test_a_command_of_version_1_is_still_a_command():
    command = decode_command(_create_command(1))

    assert not isinstance(command, InvalidCommand)
    assert (command.schema_version, command.data.sales_channel) == (2, "unknown")


@pytest.mark.parametrize("version", [0, -1, 1.0, True, "1", None, [], {}])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(Unreadable, match="schema_version"):
        decode_record(orjson.dumps(_created_in_version_1() | {"schema_version": version}))
    command = decode_command(_create_command(version))
    assert isinstance(command, InvalidCommand)
    assert "schema_version" in command.problem


@pytest.mark.parametrize("data", [None, [], "x", {}, {"sales_channel": "web"}])
def test_an_earlier_version_with_unusable_data_is_refused_and_ends_no_process(data):
    with pytest.raises(Unreadable, match="data"):
        decode_record(orjson.dumps(_created_in_version_1() | {"data": data}))


def test_each_type_has_a_version_of_its_own():
    assert decode_record(created().encoded()).schema_version == 2
    with pytest.raises(NewerSchema, match="'OrderShipped' of schema_version 2, this release knows 1"):
        decode_record(shipped(created().order_id).encoded().replace(b'"schema_version":1', b'"schema_version":2'))
    with pytest.raises(NewerSchema, match="'OrderCreated' of schema_version 3, this release knows 2"):
        decode_record(created().encoded().replace(b'"schema_version":2', b'"schema_version":3'))
    with pytest.raises(NewerSchema, match="'ShipOrder' of schema_version 2"):
        decode_command(ship().encoded().replace('"schema_version":1', '"schema_version":2').encode())


def test_what_is_current_is_not_touched_at_all(monkeypatch):
    monkeypatch.setattr(decoding, "upcast", None)

    assert decode_record(created().encoded()).schema_version == 2
    assert not isinstance(decode_command(_create_command(2)), InvalidCommand)
