"""Folding anew, in pieces or at once, as the live path does; and what is known to be parked stays so."""

from uuid import UUID

import pytest

from infra.errors import LogUnreadable
from projections.rebuild.progress import Meter
from projections.rebuild.workers import Reached
from projections.store.parked import Parked
from projections.tables.registry import TABLES
from projections.verification.drift import parked_drift, text_key
from projections.verification.refold import Refold, fold_on
from tests.support.fetched import counted_run, fetched_run
from tests.support.records import cancelled, created, rejected, shipped

ORDER = UUID(int=5)
STORY = [created(ORDER), rejected(ORDER, version=1), shipped(ORDER), cancelled(ORDER, version=3), created()]


def _rows(refold):
    return {name: dict(rows) for name, rows in refold.rows.items()}


def test_in_pieces_or_at_once_the_rows_are_equal():
    records = fetched_run(STORY)
    whole, pieces = Refold(0, ()), Refold(0, ())
    whole.take(records)
    for record in records:
        pieces.take([record])
    assert _rows(whole) == _rows(pieces)
    assert whole.checkpoint == pieces.checkpoint
    assert len(whole.rows["order_history"]) == len(STORY)


def test_rows_of_one_record_are_handed_over_once():
    refold = Refold(0, ())
    refold.take(fetched_run(STORY))
    assert len(refold.released()["command_outcomes"]) == len(STORY)
    assert refold.released()["command_outcomes"] == []
    assert len(refold.rows["order_details"]) == 2


def test_a_hole_is_not_folded_over():
    refold = Refold(0, ())
    with pytest.raises(LogUnreadable, match="hole at offset 0"):
        refold.take(fetched_run(STORY, start=3))


def _parked(state, offset=2):
    counted = counted_run(STORY)[offset]
    return Parked("order_details", 0, offset, ORDER, state, None, counted.timestamp_ms, counted.command_offset, counted.value)


def test_what_is_parked_stays_parked_and_what_was_discarded_is_left_out():
    refold = Refold(0, [_parked("poison")])
    refold.take(fetched_run(STORY))
    assert refold.rows["order_details"][(ORDER,)].version == 1
    assert [(one.record_offset, one.state) for one in refold.parked] == [(2, "poison"), (3, "waiting")]
    assert parked_drift([_parked("poison"), _parked("waiting", 3)], refold.parked) == []
    assert [one.kind for one in parked_drift([_parked("poison")], refold.parked)] == ["missing"]

    refold = Refold(0, [_parked("discarded")])
    refold.take(fetched_run(STORY))
    assert (refold.rows["order_details"][(ORDER,)].version, refold.parked) == (3, [])


def test_one_row_is_folded_on_by_its_own_records():
    (details,) = [table for table in TABLES if table.name == "order_details"]
    counted = counted_run(STORY)
    row = fold_on(details, None, (ORDER,), counted[:1])
    assert fold_on(details, row, (ORDER,), counted[1:]).version == 3
    assert fold_on(details, None, (UUID(int=9),), counted) is None


def test_keys_are_told_as_postgresql_prints_them():
    refold = Refold(0, ())
    refold.take(fetched_run(STORY))
    assert {text_key(key) for key in refold.rows["daily_sales"]} == {("2026-01-31", "EUR", "0")}


def test_a_meter_counts_up_to_the_end_and_tells_rate_and_time_left(monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr("projections.rebuild.progress.time.monotonic", lambda: next(clock))
    meter = Meter("s", {0: 100, 1: 100}, {0: 0, 1: 40})
    assert (meter.now("folding").records, meter.now.__self__.schema) == (40, "s")
    meter.reached(Reached(0, 60, saved=False))
    meter.reached(Reached(1, 150, saved=False))
    now = meter.now("folding")
    assert (now.records, now.total, now.percent) == (160, 200, 80.0)
    assert (now.rate, now.eta_s) == (12.0, pytest.approx(40 / 12))
