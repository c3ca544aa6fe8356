"""Sales per day: what a record adds to its day, and what a cancellation takes out again."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest

from projections.tables.daily_sales import DailySales, evolve, key_of
from tests.support.fetched import counted_run
from tests.support.records import cancelled, created, rejected, shipped

DAY = date(2026, 1, 31)


def folded(*records, partition=0):
    row = None
    for counted in counted_run(records, partition=partition):
        row = evolve(row, counted)
    return row


def test_an_order_counts_for_its_day_currency_and_partition():
    (counted,) = counted_run([created()], partition=5)
    assert key_of(counted) == (DAY, "EUR", 5)


@pytest.mark.parametrize("record", [shipped(uuid4()), rejected()])
def test_other_records_touch_no_day(record):
    (counted,) = counted_run([record])
    assert key_of(counted) is None
    row = DailySales(DAY, "EUR", 0, orders=1)
    assert evolve(row, counted) is row


def test_orders_add_up_to_the_last_digit():
    row = folded(created(unit_price="0.1", quantity=1), created(unit_price="0.2", quantity=1), created(unit_price="4.50", quantity=2))
    assert row == DailySales(DAY, "EUR", 0, orders=3, units=4, revenue=Decimal("9.30"))


def test_sums_beyond_28_digits_stay_exact():
    row = DailySales(DAY, "EUR", 0, revenue=Decimal("12345678901234567890123456789.0001"))
    (counted,) = counted_run([created(unit_price="0.0001", quantity=1)])
    after = evolve(row, counted)
    assert after is not None
    assert after.revenue == Decimal("12345678901234567890123456789.0002")


def test_a_cancelled_order_is_taken_out_of_the_day_on_which_it_was_placed():
    order = created()
    row = folded(order, cancelled(order.order_id))
    assert row == DailySales(DAY, "EUR", 0, orders=0, units=0, revenue=Decimal("0.00"))


def test_a_cancellation_is_accepted_whatever_came_before():
    assert folded(cancelled(uuid4())) == DailySales(DAY, "EUR", 0, orders=-1, units=-2, revenue=Decimal("-9.00"))
