"""The kit's judge of tables, feed, dead letters and answers: every kind of violation is found."""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from event_schemas.topics import COMMANDS, EVENTS
from tests.faults.synthetic import PARTITIONS, World, changed, honest, show, told
from tools.faults.checks.expected_rows import COLUMNS
from tools.faults.checks.raw_topics import RawRecord
from tools.faults.load.noise_writer import partition_of

_ORDER = "6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01"
Break = Callable[[World], Any]


# Invariant 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"history": 1},
        {"outcomes": -1},
        {"orders": 1},
        {"versions": -1},
        {"customers_units": 2},
        {"sales_orders": 1},
        {"revenue": Decimal("0.01")},
    ],
)
def test_a_sample_whose_tables_are_not_at_their_checkpoint_is_found(wrong: dict[str, Any]):
    world = honest()
    sample = world.samples[-1]
    sums = sample.partitions[1]
    torn = replace(sums, **{name: getattr(sums, name) + more for name, more in wrong.items()})
    world.samples[-1] = replace(sample, partitions={**sample.partitions, 1: torn})

    assert world.judge().violations["5"]


def test_a_checkpoint_ahead_of_its_rows_is_found():
    world = honest()
    sample = world.sample(behind=3)
    ahead = replace(sample.partitions[1], next_offset=sample.partitions[1].next_offset + 2)
    world.samples[-1] = replace(sample, partitions={**sample.partitions, 1: ahead})

    assert world.judge().violations["5"]


# Invariant 6

_WRONG_VALUES = [
    ("order_details", "status", "shipped-twice"),
    ("order_details", "total", Decimal("0.01")),
    ("order_details", "lines", []),
    ("order_history", "envelope", "{}"),
    ("customer_summaries", "units", -1),
    ("customer_summaries", "totals", {"EUR": {"orders": 9, "total": "1.00"}}),
    ("daily_sales", "revenue", Decimal("-1")),
    ("command_outcomes", "code", "no_such_code"),
    ("command_outcomes", "appended_ms", 0),
]


@pytest.mark.parametrize(("table", "column", "value"), _WRONG_VALUES)
def test_a_wrong_value_in_a_row_is_found(table: str, column: str, value: Any):
    findings = honest().judge(lambda tables: tables[table][0].update({column: value}))

    assert findings.violations["6"]
    assert column in findings.violations["6"][0].what


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_a_missing_row_is_found(table: str):
    findings = honest().judge(lambda tables: tables[table].pop())

    assert "missing" in findings.violations["6"][0].what


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_a_row_too_many_is_found(table: str):
    def add(tables: dict[str, list[dict[str, Any]]]) -> None:
        names = {"order_details": "order_id", "order_history": "order_id", "customer_summaries": "customer_id"}
        named = {"daily_sales": "currency", "command_outcomes": "command_id"}
        tables[table].append({**tables[table][0], (names | named)[table]: "stranger"})

    assert "too many" in honest().judge(add).violations["6"][0].what


def test_a_checkpoint_that_does_not_reach_the_end_is_found():
    world = honest()
    world.evidence.checkpoints[0] = len(world.events(0)) - 1

    assert world.judge().violations["6"]


# Invariant 7


def _miss(world: World) -> None:
    records = next(iter(world.watchers[0].memory.orders.values()))
    records.pop()


def _miss_an_order(world: World) -> None:
    world.watchers[2].memory.orders.popitem()


def _disorder(world: World) -> None:
    records = next(records for records in world.watchers[0].memory.orders.values() if len(records) > 1)
    records.reverse()


def _foreign(world: World) -> None:
    show(world.watchers[2], world.counting()[0][0])


def _reset(world: World) -> None:
    world.watchers[0].memory.take({"type": "reset", "reason": "other_log", "position": "e.x"})


def _skip_a_seq(world: World) -> None:
    memory = world.watchers[0].memory
    frame = {"type": "event", "seq": memory.held + 2, "position": memory.position, "event": world.counting()[0][0].envelope}
    memory.take(frame)


def _never_subscribed(world: World) -> None:
    world.watchers[0].memory.start = None


@pytest.mark.parametrize("broken", [_miss, _miss_an_order, _disorder, _foreign, _reset, _skip_a_seq, _never_subscribed])
def test_a_feed_that_misses_disorders_or_invents_is_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["7"]


def test_what_the_clients_rule_drops_is_no_violation():
    world = honest()
    watcher = world.watchers[0]
    watcher.memory.begin()
    for entry in world.counting()[1][-4:]:
        show(watcher, entry)

    assert watcher.memory.repeats == 4
    assert not dict(world.judge().violations)


# Invariant 8


def _no_letter(world: World) -> None:
    world.evidence.letters.partitions[0].pop()


def _changed_letter(world: World) -> None:
    letters = world.evidence.letters.partitions[0]
    letters[0] = letters[0]._replace(value=b"another")


def _letter_without_place(world: World) -> None:
    letters = world.evidence.letters.partitions[0]
    letters.append(letters[0]._replace(headers=()))


def _letter_of_something_readable(world: World) -> None:
    world.letter(COMMANDS, world.commands(0)[0])


def _passed_by_before(world: World) -> None:
    letters = world.evidence.letters.partitions[0]
    letters[0] = letters[0]._replace(timestamp_ms=world.clock_ms + 60_000)


def _passed_by_in_the_tables_before(world: World) -> None:
    letters = world.evidence.letters.partitions[0]
    letters[1] = letters[1]._replace(timestamp_ms=world.clock_ms + 60_000)


def _bytes_of_nobody(world: World) -> None:
    events = world.events(0)
    events.append(RawRecord(0, len(events), world.clock_ms, b"x", b"not ours", ()))
    world.letter(EVENTS, events[-1])


def _void_that_counts(world: World) -> None:
    (void,) = [thing for thing in world.written if thing.fate == "void"]
    world.append_record(0, void.value, command_offset=999)


def _unusable_command_that_is_accepted(world: World) -> None:
    sent = world.send("create", "by hand")
    command = world.commands(partition_of(sent.order_id, PARTITIONS))[-1]
    world.written.append(replace(world.written[0], key=command.key or b"", value=command.value or b"", fate="invalid_command"))


@pytest.mark.parametrize(
    "broken",
    [
        *(_no_letter, _changed_letter, _letter_without_place, _letter_of_something_readable, _passed_by_before),
        *(_passed_by_in_the_tables_before, _bytes_of_nobody, _void_that_counts, _unusable_command_that_is_accepted),
    ],
)
def test_dead_letters_that_are_not_what_they_must_be_are_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["8"]


def test_a_dead_letter_that_is_appended_again_is_no_violation():
    world = honest()
    letters = world.evidence.letters.partitions[0]
    letters.append(letters[0]._replace(timestamp_ms=world.clock_ms + 60_000))

    assert not dict(world.judge().violations)


def test_an_unusable_command_is_rejected_in_an_honest_run():
    world = honest()
    order_id = str(uuid.uuid4())
    message = {"id": str(uuid.uuid4()), "type": "CancelOrder", "schema_version": 1, "order_id": order_id, "correlation_id": "c"}
    message |= {"issued_at": "2026-01-31T12:00:00Z", "actor": "x", "data": {"reason": 7}}
    world.write("invalid_command", COMMANDS, partition_of(order_id, PARTITIONS), order_id.encode(), json.dumps(message).encode())
    world.watchers.clear()
    world.watcher()

    assert not dict(world.judge().violations)


# Keys and answers


def _another_id_for_the_same_request(world: World) -> None:
    again = next(sent for sent in world.history.sent if sent.intent.marker == "created-5")
    sent = world.history.begin(again.intent)
    sent.order_id, sent.command_id, sent.ending = again.order_id, str(uuid.uuid4()), "pending"
    world.put_command(sent, again.intent.body)


def _accept_under_a_used_key(world: World) -> None:
    world.send("create", "first", key="k", order_id=_ORDER)
    forgotten = world.send("cancel", "second", order_id=_ORDER)  # its key does not reach the aggregate
    forgotten.intent = replace(forgotten.intent, kind="create", key="k")


def _reject_the_first_under_its_key(world: World) -> None:
    sent = world.send("create", "unlucky", key="unlucky")
    events = world.events(partition_of(sent.order_id, PARTITIONS))
    data = {"code": "idempotency_key_reused", "detail": "x", "command_type": "CreateOrder", "customer_id": "ada"}
    events[-1] = changed(events[-1], type="CommandRejected", version=0, data=data)


@pytest.mark.parametrize("broken", [_another_id_for_the_same_request, _accept_under_a_used_key, _reject_the_first_under_its_key])
def test_a_broken_promise_about_keys_is_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["keys"]


def test_a_request_without_an_answer_may_have_one_record_or_none_but_not_two():
    world = honest()
    world.watchers.clear()
    world.watcher()
    sent = world.send("create", "silent")
    sent.ending = sent.command_id = None
    world.watchers.clear()
    world.watcher()
    assert not dict(world.judge().violations)

    sent.command_id = str(uuid.uuid4())
    world.put_command(sent, sent.intent.body)
    sent.command_id = None
    assert world.judge().violations["keys"]


def _refuse(world: World) -> None:
    world.history.sent[0].refused = "422 no"


def _say_accepted(world: World) -> None:
    told(next(sent for sent in world.history.sent if sent.intent.marker == "contradicted-1"), "accepted", None, 1)


def _say_another_version(world: World) -> None:
    told(world.history.sent[0], "accepted", None, 2)


def _say_another_order(world: World) -> None:
    world.history.sent[0].order_id = str(uuid.uuid4())


@pytest.mark.parametrize("broken", [_refuse, _say_accepted, _say_another_version, _say_another_order])
def test_an_answer_that_is_not_what_was_recorded_is_found(broken: Break):
    world = honest()
    broken(world)

    assert world.judge().violations["answers"]


def test_a_true_ending_in_an_answer_is_no_violation():
    world = honest()
    told(next(sent for sent in world.history.sent if sent.intent.marker == "created-0"), "accepted", None, 1)
    rejected = next(sent for sent in world.history.sent if sent.intent.marker == "contradicted-1")
    told(rejected, "rejected", "idempotency_key_reused", 1)

    assert not dict(world.judge().violations)
