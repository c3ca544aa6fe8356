"""A log in which every released version stands side by side: decided on, folded, shown and travelled through, bytes untouched."""

import orjson
import pytest

from event_schemas.commands import Command
from event_schemas.decoding import decode_record
from notifier.feed_event import FeedEvent
from order_aggregate.partition_state import PartitionState
from projections.queries.time_travel import AtVersion, order_at
from projections.tables import order_history
from projections.tables.registry import TABLES
from tests.support.fetched import counted_run
from tests.support.given import Envelope, cancel, create, ship
from tests.support.golden import golden_files

_ORDERS = [Envelope().order_id.__class__(int=number) for number in (1, 2, 3)]


def _in_version_1(value: bytes) -> bytes:
    return value.replace(b'"schema_version":2', b'"schema_version":1')


def _appended() -> list[bytes]:
    """What an aggregate of version 1 left behind, three orders, and what today's adds: a shipment, a cancellation and another order."""
    before = [_in_version_1(_decided(PartitionState(), create(envelope=Envelope(order_id=order)))) for order in _ORDERS]
    partition = _folded(before)
    commands = [
        ship(envelope=Envelope(order_id=_ORDERS[0], expected_version=1)),
        cancel(envelope=Envelope(order_id=_ORDERS[1])),
        create(envelope=Envelope(order_id=_ORDERS[2])),
        create(sales_channel="shop"),
    ]
    return before + [_decided(partition, command) for command in commands]


def _decided(partition: PartitionState, command: Command) -> bytes:
    decided = partition.decide(command)
    assert decided is not None
    return decided.value


def _folded(log: list[bytes]) -> PartitionState:
    partition = PartitionState()
    for offset, value in enumerate(log):
        partition.apply(decode_record(value), offset=offset, command_offset=offset, value=value)
    return partition


def _rows(log: list[bytes], name: str) -> list[dict]:
    (table,) = [table for table in TABLES if table.name == name]
    rows: dict = {}
    for counted in counted_run(log):
        key = table.key_of(counted)
        if key is not None:
            rows[key] = table.evolve(rows.get(key), counted)
    return [row._asdict() for row in rows.values()]


def test_todays_rules_decide_on_orders_of_version_1():
    log = [orjson.loads(value) for value in _appended()]

    assert [(record["type"], record["schema_version"], record["version"]) for record in log] == [
        ("OrderCreated", 1, 1),
        ("OrderCreated", 1, 1),
        ("OrderCreated", 1, 1),
        ("OrderShipped", 1, 2),
        ("OrderCancelled", 1, 2),
        ("CommandRejected", 1, 1),
        ("OrderCreated", 2, 1),
    ]


def test_the_aggregate_and_its_snapshots_are_those_of_a_log_of_one_version():
    log = _appended()
    as_of_today = [decode_record(value).encoded() for value in log]

    assert log != as_of_today
    assert _folded(log).packed() == _folded(as_of_today).packed()


@pytest.mark.parametrize("table", [table.name for table in TABLES if table.name != "order_history"])
def test_a_read_model_is_that_of_a_log_of_one_version(table):
    log = _appended()

    assert _rows(log, table) == _rows([decode_record(value).encoded() for value in log], table)


def test_history_and_feed_show_what_was_written_byte_for_byte():
    log = _appended()

    assert [row["envelope"].encode() for row in _rows(log, "order_history")] == log
    for counted in counted_run(log):
        assert FeedEvent.of(counted, "e.x").tail == b'"position":"e.x","event":%b}' % log[counted.offset]


def test_an_order_of_version_1_can_be_travelled_through():
    log = _appended()
    history = [order_history.evolve(None, counted) for counted in counted_run(log) if counted.record.order_id == _ORDERS[0]]

    assert [order_at(history, AtVersion(version)).status for version in (1, 2)] == ["created", "shipped"]


@pytest.mark.parametrize("path", golden_files("record"), ids=lambda path: path.name)
def test_every_golden_record_is_taken_from_one_log(path):
    (counted,) = counted_run([path.read_bytes()])

    assert counted.value == path.read_bytes()
