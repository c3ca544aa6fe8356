"""Customers' sums: `orders` counts all, `units` and `totals` leave cancelled orders out."""

from uuid import uuid4

import pytest

from projections.tables.customer_summaries import CustomerSummary, evolve, key_of
from tests.support.fetched import counted_run
from tests.support.records import cancelled, created, rejected, shipped


def folded(*records):
    row = None
    for counted in counted_run(records):
        row = evolve(row, counted)
    return row


def test_a_row_is_one_customer_on_one_partition():
    (counted,) = counted_run([created(customer_id="bob")], partition=7)
    assert key_of(counted) == ("bob", 7)


@pytest.mark.parametrize("record", [shipped(uuid4()), rejected(customer_id="ada")])
def test_other_records_touch_no_customer(record):
    (counted,) = counted_run([record])
    assert key_of(counted) is None


def test_orders_are_summed_by_currency():
    assert folded(created(), created(unit_price="0.0001", quantity=3)) == CustomerSummary(
        "ada", 0, orders=2, units=5, totals={"EUR": {"orders": 2, "total": "9.0003"}}
    )


def test_a_cancelled_order_still_counts_as_an_order_but_adds_nothing():
    kept, taken_back = created(quantity=1, unit_price="1.00"), created()
    assert folded(kept, taken_back, cancelled(taken_back.order_id)) == CustomerSummary(
        "ada", 0, orders=2, cancelled=1, units=1, totals={"EUR": {"orders": 1, "total": "1.00"}}
    )


def test_a_currency_in_which_all_is_cancelled_is_gone():
    order = created()
    row = folded(order, cancelled(order.order_id))
    assert row == CustomerSummary("ada", 0, orders=1, cancelled=1)


def test_an_order_that_cost_nothing_is_not():
    row = folded(created(unit_price="0.00"))
    assert row is not None
    assert row.totals == {"EUR": {"orders": 1, "total": "0.00"}}
