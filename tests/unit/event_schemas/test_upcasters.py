"""From every released version to the current one; what was written stays as it was written."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_schemas import decoding
from event_schemas.commands import InvalidCommand
from event_schemas.decoding import NewerSchema, Unreadable, decode_command, decode_record
from event_schemas.registry import COMMANDS, RECORDS
from event_schemas.upcasters import upcast
from tests.support.given import create, ship
from tests.support.records import created, shipped

_SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"))
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
_OBJECTS = st.dictionaries(st.text(max_size=5) | st.sampled_from(["lines", "sales_channel", "customer_id"]), _JSON, max_size=4)
_KINDS = [*COMMANDS, *RECORDS]


def _noting(number):
    return lambda data: {**data, "seen": [*data.get("seen", ()), number]}


_CHAIN = tuple(_noting(number) for number in (1, 2, 3))


def _created_in_version_1() -> dict:
    return orjson.loads(created().encoded()) | {"schema_version": 1}


def _create_command(version) -> bytes:
    return orjson.dumps(orjson.loads(create().encoded()) | {"schema_version": version})


@pytest.mark.parametrize(("version", "seen"), [(1, [1, 2, 3]), (2, [2, 3]), (3, [3])])
def test_a_message_takes_every_step_from_its_own_version_on(version, seen):
    message = {"id": 1, "schema_version": version, "data": {"kept": 1}}

    assert upcast(message, _CHAIN) == {"id": 1, "schema_version": 4, "data": {"kept": 1, "seen": seen}}
    assert message == {"id": 1, "schema_version": version, "data": {"kept": 1}}


@pytest.mark.parametrize("version", [4, 5, 0, -1, 1.0, True, "1", None, [], {}])
def test_what_is_current_or_has_no_version_of_use_takes_none(version):
    message = {"schema_version": version, "data": {}}

    assert upcast(message, _CHAIN) is message


@pytest.mark.parametrize("data", [None, [], "x", 7])
def test_data_that_are_no_object_take_none(data):
    message = {"schema_version": 1, "data": data}

    assert upcast(message, _CHAIN) is message
    assert upcast({"schema_version": 1}, _CHAIN) == {"schema_version": 1}


@pytest.mark.parametrize("step", sorted({step for kind in _KINDS for step in kind.steps}, key=lambda step: step.__name__))
@given(data=_OBJECTS)
@settings(max_examples=25)
def test_a_step_takes_every_object_and_leaves_it_as_it_is(step, data):
    before = repr(data)

    assert isinstance(step(data), dict)
    assert repr(data) == before


@pytest.mark.parametrize("kind", [kind for kind in _KINDS if kind.steps], ids=lambda kind: kind.name)
@given(data=_OBJECTS)
@settings(max_examples=25)
def test_an_earlier_message_with_any_data_is_read_or_refused_and_ends_no_process(kind, data):
    base = created() if kind in RECORDS else create()
    value = orjson.dumps(orjson.loads(base.encoded()) | {"schema_version": 1, "data": data}, option=orjson.OPT_NON_STR_KEYS)

    if kind in RECORDS:
        with pytest.raises(Unreadable):
            decode_record(value)
    else:
        assert isinstance(decode_command(value), InvalidCommand)


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


@pytest.mark.parametrize("version", [0, -1, 1.0, True, "1", None, [], {}, 2**31])
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
        decode_command(ship().encoded().replace(b'"schema_version":1', b'"schema_version":2'))


def test_what_is_current_is_not_touched_at_all(monkeypatch):
    monkeypatch.setattr(decoding, "upcast", None)

    assert decode_record(created().encoded()).schema_version == 2
    assert not isinstance(decode_command(_create_command(2)), InvalidCommand)
