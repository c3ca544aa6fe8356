"""The kit's judge of the log: an honest run is clean, and every kind of violation is found. A check that can't fail is worth nothing."""

import json
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_schemas.recorded import recorded_messages
from projections.tables.registry import TABLES
from tests.faults.synthetic import PARTITIONS, World, change_data, changed, find, honest, with_headers
from tests.support.examples import examples
from tools.faults.checks.expected_rows import COLUMNS, expected_rows, keyed
from tools.faults.checks.findings import CHECKS
from tools.faults.load.noise_writer import partition_of

Break = Callable[[World], Any]


def test_an_honest_run_passes_every_check():
    findings = honest().judge()

    assert not dict(findings.violations)
    assert {check for check in CHECKS if findings.passed(check)} == set(CHECKS) - {"heals"}  # `run` looks at that


_STEPS = st.tuples(st.sampled_from(["create", "ship", "cancel"]), st.integers(0, 4), st.sampled_from([None, "a", "b"]), st.integers(0, 3))


@given(st.lists(_STEPS, min_size=1, max_size=30))
@settings(max_examples=examples(60))
def test_whatever_the_product_decides_is_what_the_kits_own_rules_expect(steps):
    world = World()
    orders = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(5)]
    for number, (kind, order, key, version) in enumerate(steps):
        if kind == "create":
            world.send("create", f"m{number}", key=key and f"{key}{order}", order_id=orders[order])
        else:
            world.send(kind, f"m{number}", key=key, order_id=orders[order], if_match=version or None)
    findings = world.judge()

    # Keys of creations were made up per order here, so only what is decided and how it is folded is looked at.
    assert not [findings.violations[check] for check in ("1", "2", "3", "4", "6") if findings.violations[check]]


def test_the_kits_own_tables_are_those_that_the_projections_fold():
    world = honest()
    for partition in range(PARTITIONS):
        expected = expected_rows(world.counting()[partition])
        for table in TABLES:
            rows: dict[Any, Any] = {}
            for record in recorded_messages(
                SimpleNamespace(**raw._asdict(), timestamp=raw.timestamp_ms) for raw in world.events(partition)
            ):
                key = table.key_of(record)
                if key is not None and (row := table.evolve(rows.get(key), record)) is not None:
                    rows[key] = row
            plain = [{name: getattr(row, name) for name in COLUMNS[table.name]} for row in rows.values()]
            assert keyed(table.name, plain) == expected[table.name], table.name


# Invariant 1


def _lose(world: World) -> None:
    events, offset = find(world, "OrderCreated")
    events[offset] = with_headers(events[offset], place=b"77777")


def _lose_the_last(world: World) -> None:
    # At the end of a partition there is no gap that would betray it.
    world.events(1).pop()


def _double(world: World) -> None:
    events, offset = find(world, "CommandRejected")
    world.append_record(events[offset].partition, events[offset].value or b"", command_offset=999)


def _answer_without_command(world: World) -> None:
    sent = world.send("create", "phantom")
    world.commands(partition_of(sent.order_id, PARTITIONS)).pop()
    world.events(partition_of(sent.order_id, PARTITIONS)).pop()


def _record_without_command(world: World) -> None:
    events, offset = find(world, "CommandRejected")
    stranger = str(uuid.uuid4())
    record_id = str(uuid.uuid5(uuid.UUID(stranger), "record"))
    value = changed(events[offset], command_id=stranger, id=record_id).value or b""
    world.append_record(events[offset].partition, value, command_offset=999)


@pytest.mark.parametrize("broken", [_lose, _lose_the_last, _double, _answer_without_command, _record_without_command])
def test_a_command_without_exactly_one_record_is_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["1"]


# Invariant 2


def _skip_a_version(world: World) -> None:
    events, offset = find(world, "OrderShipped")
    events[offset] = changed(events[offset], version=3)


def _repeat_a_version(world: World) -> None:
    events, offset = find(world, "OrderCancelled")
    events[offset] = changed(events[offset], version=1)


def _reject_with_a_raised_version(world: World) -> None:
    events, offset = find(world, "CommandRejected")
    events[offset] = changed(events[offset], version=json.loads(events[offset].value or b"")["version"] + 1)


@pytest.mark.parametrize("broken", [_skip_a_version, _repeat_a_version, _reject_with_a_raised_version])
def test_a_gap_in_the_versions_is_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["2"]


# Invariant 3


def _swap(world: World) -> None:
    events = world.events(1)
    first, second = [entry.offset for entry in world.counting()[1] if entry.envelope["type"] == "OrderCreated"][-2:]
    events[first], events[second] = (
        with_headers(events[second]._replace(offset=first), place=b"%d" % first),
        with_headers(events[first]._replace(offset=second), place=b"%d" % second),
    )


def _name_another_command(world: World) -> None:
    events, offset = find(world, "OrderShipped")
    events[offset] = with_headers(events[offset], command_offset=b"0")


def _decide_where_it_came_again(world: World) -> None:
    sent = world.send("create", "twice")
    partition = partition_of(sent.order_id, PARTITIONS)
    commands, events = world.commands(partition), world.events(partition)
    commands.append(commands[-1]._replace(offset=len(commands)))
    events[-1] = with_headers(events[-1], command_offset=b"%d" % (len(commands) - 1))


@pytest.mark.parametrize("broken", [_swap, _name_another_command, _decide_where_it_came_again])
def test_records_out_of_the_commands_order_are_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["3"]


# Invariant 4


def _another_id(world: World) -> None:
    events, offset = find(world, "OrderCreated")
    events[offset] = changed(events[offset], id=str(uuid.uuid4()))


def _another_total(world: World) -> None:
    events, offset = find(world, "OrderCreated")
    events[offset] = change_data(events[offset], total="9.01")


def _another_time(world: World) -> None:
    events, offset = find(world, "OrderShipped")
    events[offset] = change_data(events[offset], shipped_at="2026-01-31T12:00:01Z")


def _another_code(world: World) -> None:
    events, offset = find(world, "CommandRejected")
    events[offset] = change_data(events[offset], code="order_not_found")


def _decide_again_differently(world: World) -> None:
    events, offset = find(world, "OrderCreated")
    value = change_data(events[offset], units=3).value or b""
    world.append_record(events[offset].partition, value, command_offset=0, place=99999)


@pytest.mark.parametrize("broken", [_another_id, _another_total, _another_time, _another_code, _decide_again_differently])
def test_a_record_that_the_rules_do_not_give_is_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["4"]


def test_a_void_record_that_says_the_same_is_no_violation():
    world = honest()
    events, offset = find(world, "OrderCreated")
    world.append_record(events[offset].partition, events[offset].value or b"", command_offset=0, place=99999)
    for watcher in world.watchers:
        watcher.memory.position = None

    world.samples.clear()
    world.sample()
    assert not dict(world.judge().violations)
