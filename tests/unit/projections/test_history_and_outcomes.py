"""The two tables with one row per record: histories and outcomes."""

from uuid import uuid4

import pytest

from event_schemas.codes import Code
from projections.tables import command_outcomes, order_history
from tests.support.fetched import APPENDED_MS, counted_run
from tests.support.records import NOON, cancelled, created, rejected, shipped

EVERY_TYPE = [created(), shipped(uuid4()), cancelled(uuid4()), rejected()]


@pytest.mark.parametrize("record", EVERY_TYPE, ids=lambda record: record.type)
def test_history_keeps_the_envelope_byte_for_byte(record):
    (counted,) = counted_run([record], partition=2)
    row = order_history.evolve(None, counted)
    assert row is not None
    assert row.envelope.encode() == record.encoded()
    assert (row.order_id, row.partition, row.record_offset) == (record.order_id, 2, 0)
    assert order_history.key_of(counted) == (record.order_id, 0)


@pytest.mark.parametrize(
    ("record", "command"), [(EVERY_TYPE[0], "CreateOrder"), (EVERY_TYPE[1], "ShipOrder"), (EVERY_TYPE[2], "CancelOrder")]
)
def test_an_event_is_an_accepted_command(record, command):
    (counted,) = counted_run([record], partition=2)
    outcome = command_outcomes.evolve(None, counted)
    assert outcome is not None
    assert (outcome.type, outcome.status, outcome.code, outcome.detail) == (command, "accepted", None, None)
    assert (outcome.command_id, outcome.record_id, outcome.customer_id) == (record.command_id, record.id, "ada")
    assert (outcome.partition, outcome.record_offset, outcome.command_offset) == (2, 0, 0)
    assert (outcome.occurred_at, outcome.appended_ms) == (NOON, APPENDED_MS)


def test_a_rejection_says_why():
    record = rejected(version=3, code=Code.ALREADY_SHIPPED, command_type="CancelOrder", customer_id="ada")
    (counted,) = counted_run([record])
    outcome = command_outcomes.evolve(None, counted)
    assert outcome is not None
    assert (outcome.type, outcome.status, outcome.code, outcome.detail) == ("CancelOrder", "rejected", "already_shipped", "not so")
    assert (outcome.version, outcome.customer_id) == (3, "ada")
