"""One declaration of every message, from which all tables of types follow."""

from typing import get_args
from uuid import uuid4

import pytest

from command_api.envelopes import CANCEL, CREATE, SHIP
from event_schemas.commands import CommandData, CreateOrder
from event_schemas.decoding import _COMMANDS, _RECORDS, decode_command, decode_record
from event_schemas.events import EventData, RecordData
from event_schemas.registry import (
    COMMAND_KINDS,
    COMMAND_OF_EVENT,
    COMMANDS,
    RECORD_KINDS,
    RECORDS,
    MessageKind,
    command_type,
    new_command,
    new_record,
)
from event_schemas.request_types import RecordType
from event_schemas.schema_files import KINDS
from order_aggregate import record_appender
from tests.support.given import NOON, cancel, create, given, ship
from tests.support.records import created, rejected

RELEASED = {
    "CreateOrder": 2,
    "ShipOrder": 1,
    "CancelOrder": 1,
    "OrderCreated": 2,
    "OrderShipped": 1,
    "OrderCancelled": 1,
    "CommandRejected": 1,
}


def test_every_class_of_data_is_declared_once():
    assert [kind.data for kind in COMMANDS] == list(get_args(CommandData))
    assert [kind.data for kind in RECORDS] == list(get_args(RecordData))


def test_a_version_is_never_removed():
    versions = {kind.name: kind.version for kind in (*COMMANDS, *RECORDS)}

    assert {name: versions.get(name, 0) >= version for name, version in RELEASED.items()} == dict.fromkeys(RELEASED, True)
    assert versions == RELEASED, "raise the version here as well, so that no one lowers it again"


def test_a_version_follows_from_the_steps_that_lead_to_it():
    def step(data):
        return data

    assert [MessageKind(CreateOrder, steps=(step,) * count).version for count in range(3)] == [1, 2, 3]


def test_all_tables_of_types_follow_from_the_declaration():
    commands, records = [kind.name for kind in COMMANDS], [kind.name for kind in RECORDS]

    assert (list(COMMAND_KINDS), list(RECORD_KINDS)) == (commands, records)
    assert list(COMMAND_KINDS.values()) == list(COMMANDS)
    assert list(RECORD_KINDS.values()) == list(RECORDS)
    assert list(KINDS) == [*commands, *records]
    assert (list(_COMMANDS._shapes), list(_RECORDS._shapes)) == (commands, records)
    assert list(record_appender._TYPES) == records
    assert {name: shape.version for topic in (_COMMANDS, _RECORDS) for name, shape in topic._shapes.items()} == {
        name: kind.version for name, kind in KINDS.items()
    }
    assert get_args(RecordType)[-1].json_schema["enum"] == records


def test_every_command_has_one_event_and_one_way_to_be_asked_for():
    assert sorted(COMMAND_OF_EVENT.values()) == sorted(COMMAND_KINDS)
    assert sorted(COMMAND_OF_EVENT) == sorted(event.__name__ for event in get_args(EventData))
    assert {route.data for route in (CREATE, SHIP, CANCEL)} == set(get_args(CommandData))
    assert [route.data for route in (CREATE, SHIP, CANCEL) if "{order_id}" not in route.path] == [
        kind.data for kind in COMMANDS if kind.creates
    ]


def test_the_tables_cannot_be_changed():
    for table in (COMMAND_KINDS, RECORD_KINDS, COMMAND_OF_EVENT):
        with pytest.raises(TypeError):
            table["Later"] = None


@pytest.mark.parametrize("history", [(create(),), (create(), ship()), (create(), cancel()), (ship(),), (create(), create())])
def test_a_record_says_which_command_ended_in_it(history):
    record = given(*history[:-1]).when(history[-1]).record

    assert command_type(record) == history[-1].type


def test_a_rejection_may_name_a_command_that_is_unknown_here():
    assert command_type(rejected(command_type="ReturnOrder")) == "ReturnOrder"


def test_an_envelope_gets_type_and_version_from_its_data():
    sent, placed = create(), created()
    fields = {"order_id": uuid4(), "command_id": uuid4(), "correlation_id": "c", "actor": "a"}
    for kind, data in (("CreateOrder", sent.data), ("ShipOrder", ship().data), ("CancelOrder", cancel().data)):
        command = new_command(data, issued_at=NOON, **fields)
        assert (command.type, command.schema_version) == (kind, RELEASED[kind])
        assert decode_command(command.encoded()) == command
    record = new_record(placed.data, version=1, occurred_at=NOON, **fields)
    assert (record.type, record.schema_version) == ("OrderCreated", 2)
    assert decode_record(record.encoded()) == record
