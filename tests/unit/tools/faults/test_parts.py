"""The kit's pure parts: what it wants, when it hurts, what it remembers, whom it blames."""

import io
import itertools
import json
from collections import Counter
from typing import Any

import pytest

from infra.process.settings import Settings
from tests.faults.synthetic import honest
from tools.faults.checks.feed import FeedMemory
from tools.faults.checks.findings import CHECKS, Findings
from tools.faults.checks.raw_log import Command, Entry, ReadCommands
from tools.faults.fault_injector import DECK, Done, Fault, cards, schedule
from tools.faults.load.workload import Attempt, History, Intent, Workload
from tools.faults.run import Outcome, Plan
from tools.faults.standstill import Assignment, assignments, longest_standstills
from tools.faults.verdict import as_object, as_text, verdict_of

# What is wanted


def _some_intents(seed: int, count: int = 3000) -> list[Intent]:
    intents, found = Workload(seed), []
    for number in range(count):
        found.append(intents.next())
        if found[-1].kind == "create":
            intents.learned(f"00000000-0000-4000-8000-{number:012}")
    return found


def test_the_same_seed_wants_the_same():
    assert _some_intents(7) == _some_intents(7)
    assert _some_intents(7) != _some_intents(8)


def test_the_mix_holds_everything_that_is_promised_something():
    found = _some_intents(1)
    times = Counter((intent.marker, intent.if_match) for intent in found)
    bodies: dict[Any, set[str]] = {}
    for intent in found:
        if intent.scope is not None:
            bodies.setdefault(intent.scope, set()).add(intent.marker)

    assert {intent.kind for intent in found} == {"create", "ship", "cancel"}
    assert any(intent.key is None for intent in found)
    assert any(intent.if_match for intent in found)
    assert any(intent.wait_s for intent in found)
    assert max(times.values()) > 1
    assert any(len(markers) > 1 for markers in bodies.values())


def test_a_key_is_unique_to_an_order_once_there_is_one():
    create = Intent("m", "create", "/orders", {}, "k")
    ship, cancel = (Intent("m", kind, f"/orders/one/{kind}", {}, "k") for kind in ("ship", "cancel"))
    other = Intent("m", "ship", "/orders/two/ship", {}, "k")

    assert ship.scope == cancel.scope
    assert len({create.scope, ship.scope, other.scope}) == 3
    assert Intent("m", "create", "/orders", {}).scope is None


# When it hurts


def test_the_same_seed_gives_the_same_faults_and_another_seed_others():
    first, second, other = (list(schedule(seed, seconds=600, every_s=6)) for seed in (1, 1, 2))

    assert first == second != other


@pytest.mark.parametrize("seed", range(5))
def test_a_deck_of_faults_holds_every_kind_and_the_next_begins_only_then(seed: int):
    faults = list(itertools.islice(schedule(seed, seconds=10_000, every_s=5), 2 * len(DECK)))
    first, second = faults[: len(DECK)], faults[len(DECK) :]

    assert Counter((fault.action, fault.target) for fault in first) == Counter(DECK) == Counter((f.action, f.target) for f in second)


def test_a_freeze_outlasts_the_session_timeout():
    frozen = [fault.lasts_s for fault in schedule(1, seconds=3600, every_s=6) if fault.action == "freeze"]
    session_timeout_s = Settings.model_fields["session_timeout_s"].default

    assert min(frozen) > session_timeout_s + 1
    assert max(frozen) <= 10


def test_a_scaling_goes_both_ways_and_is_taken_back():
    scalings = [fault for fault in schedule(1, seconds=3600, every_s=6) if fault.action == "scale"]

    assert {fault.lot < 0.5 for fault in scalings} == {True, False}
    assert min(fault.lasts_s for fault in scalings) > 3


def test_the_deck_can_be_cut_down():
    assert set(cards(["freeze:order_aggregate", "kafka"])) == {("freeze", "order_aggregate"), ("kill", "kafka")}
    assert {action for action, _ in cards(["stop"])} == {"stop"}
    assert cards([]) == DECK
    assert {f.action for f in schedule(1, seconds=60, every_s=4, deck=cards(["stop"]))} == {"stop"}
    with pytest.raises(ValueError, match="kill:moon"):
        cards(["kill:moon"])


def test_all_faults_come_under_load():
    times = [fault.at_s for fault in schedule(3, seconds=60, every_s=4)]

    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 58


# What a watcher remembers


def _event(seq: int, version: int, kind: str = "OrderCreated") -> dict[str, Any]:
    event = {"id": f"{kind}-{version}", "type": kind, "order_id": "o", "version": version}
    return {"type": "event", "seq": seq, "position": f"after {seq}", "event": event}


def test_versions_held_and_rejections_held_are_dropped():
    memory = FeedMemory()
    for frames in ([_event(1, 1), _event(2, 2), _event(3, 2, "CommandRejected")], [_event(1, 2), _event(2, 2, "CommandRejected")]):
        memory.begin()
        for frame in frames:
            memory.take(frame)

    assert memory.orders["o"] == ["OrderCreated-1", "OrderCreated-2", "CommandRejected-2"]
    assert (memory.repeats, memory.held, memory.connections, memory.position) == (2, 3, 2, "after 2")
    assert not memory.broken


def test_what_no_feed_may_send_is_remembered():
    memory = FeedMemory()
    memory.begin()
    for frame in (_event(2, 1), {"type": "reset", "reason": "other_log", "position": "e.0"}, {"type": "error", "code": "x", "detail": "y"}):
        memory.take(frame)

    assert len(memory.broken) == 3


# Whom it blames

_LOG = """\
2026-11-23T10:00:00.000000Z [info] assigned partitions: 0, 1
2026-11-23T10:00:05.000000Z [warning] something else: 3
2026-11-23T10:00:30.000000Z [info] assigned partitions: none
"""
_BEGIN = 1795428000.0  # 10:00:00


def test_a_workers_log_tells_what_it_owned():
    first, second = assignments("w", _LOG)

    assert (first.at, first.partitions) == (_BEGIN, frozenset({0, 1}))
    assert (second.at, second.partitions) == (_BEGIN + 30, frozenset())


def _blamed(*hits: tuple[str, str, float]) -> dict[str, float]:
    """A command waited from second 10 to 20; the hits are (target, process, second)."""
    command = Command(0, 0, int((_BEGIN + 10) * 1000), "c", "o", {})
    entry = Entry(0, 0, int((_BEGIN + 20) * 1000), 0, {}, b"")
    done = [Done(Fault(0, "kill", target, 0), _BEGIN + at, _BEGIN + at, process) for target, process, at in hits]  # type: ignore[arg-type]
    owners = [Assignment(_BEGIN, "order_aggregate", frozenset({0})), Assignment(_BEGIN, "order_aggregate-2", frozenset({1}))]
    found = longest_standstills({0: ReadCommands([command])}, {0: [entry]}, owners, done)
    return {blame: standstill.seconds for blame, standstill in found.items()}


def test_a_standstill_is_blamed_on_the_owner_who_was_hit():
    assert _blamed(("order_aggregate", "order_aggregate", 8.0)) == {"owner hit": 10.0}


def test_a_standstill_is_blamed_on_the_broker_that_was_hit():
    assert _blamed(("kafka", "kafka-1", 8.0)) == {"broker hit": 10.0}


def test_a_standstill_of_a_healthy_owner_is_told():
    assert _blamed(("order_aggregate", "order_aggregate-2", 8.0), ("projections", "projections", 9.0)) == {"owner healthy": 10.0}


# What it says


def _outcome(findings: Findings, unfinished: str | None = None) -> Outcome:
    world = honest()
    world.judge()
    return Outcome(
        plan=Plan(seconds=60, seed=5, rate=30, every_s=6, deck=DECK),
        history=world.history,
        done=[
            Done(Fault(1, "kill", "kafka", 0), 1.0, 1.0, "kafka-2"),
            Done(Fault(2, "stop", "projections", 0), 2.0, 2.0, "-", "none runs"),
        ],
        evidence=world.evidence,
        findings=findings,
        watchers=world.watchers,
        samples=2,
        by_hand=3,
        restarts={"kafka": 1},
        seconds=99.0,
        unfinished=unfinished,
    )


def _all_looked_at() -> Findings:
    findings = Findings()
    for check in CHECKS:
        findings.looked(check)
    return findings


def test_a_clean_run_passes():
    outcome = _outcome(_all_looked_at())

    assert verdict_of(outcome) == "PASS"
    assert as_text(outcome).rstrip().splitlines()[-1].startswith("PASS  seed 5")


def test_a_violation_fails_and_is_told_with_its_order_and_place():
    findings = _all_looked_at()
    findings.add("1", "lost", "an-order", "order-commands/3/4")
    outcome = _outcome(findings)

    assert verdict_of(outcome) == "FAIL"
    assert "check 1: lost, order an-order, at order-commands/3/4" in as_text(outcome)
    assert json.loads(json.dumps(as_object(outcome)))["checks"]["1"]["first"][0]["order_id"] == "an-order"


def test_a_check_that_looked_at_nothing_has_not_passed():
    findings = _all_looked_at()
    del findings.looked_at["7"]

    assert verdict_of(_outcome(findings)) == "FAIL"


def test_a_run_that_was_still_moving_is_no_verdict():
    findings = _all_looked_at()
    findings.add("1", "lost")

    assert verdict_of(_outcome(findings, unfinished="too slow")) == "UNFINISHED"


def test_what_was_not_carried_out_is_not_counted():
    counts = as_object(_outcome(_all_looked_at()))["counts"]

    assert (counts["kills"], counts["stops"], counts["faults_put_off"]) == ({"kafka": 1}, 0, 1)


def test_the_history_is_written_down_as_it_happens():
    journal = io.StringIO()
    history = History(journal)
    sent = history.begin(Intent("m-1", "create", "/orders", {}, "k"))
    sent.attempts += [Attempt("http://a", 1.0, 2.0, "503"), Attempt("http://b", 3.0, 3.5, "202")]
    sent.ending, sent.order_id = "pending", "o-1"
    history.over(sent)

    assert (history.answered, history.retries, history.unanswered, history.newest_order()) == (1, 1, 0, "o-1")
    assert json.loads(journal.getvalue())["attempts"][1] == ["http://b", 3.0, 3.5, "202"]
