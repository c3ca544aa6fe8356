"""Orders as they are now, through every event."""

from decimal import Decimal
from uuid import uuid4

import pytest

from projections.queries.views import OrderView
from projections.tables.order_details import OrderDetails, evolve, key_of
from tests.support.fetched import counted_run
from tests.support.records import NOON, cancelled, created, rejected, shipped


def folded(*records):
    row = None
    for counted in counted_run(records, partition=4):
        row = evolve(row, counted)
    return row


def test_a_created_order():
    order = created()
    assert folded(order) == OrderDetails(
        order_id=order.order_id,
        partition=4,
        version=1,
        status="created",
        customer_id="ada",
        currency="EUR",
        lines=[{"sku": "tea", "quantity": 2, "unit_price": "4.50"}],
        units=2,
        total=Decimal("9.00"),
        ordered_at=NOON,
    )


@pytest.mark.parametrize("told", ["web", None])
def test_a_sales_channel_is_what_the_client_said(told):
    row = folded(created(sales_channel=told))
    assert row is not None
    assert row.sales_channel == told
    assert OrderView.model_validate(row).model_dump(mode="json").get("sales_channel") == told


def test_an_order_of_version_1_was_sold_where_nobody_asked():
    row = folded(created().encoded().replace(b'"schema_version":2', b'"schema_version":1'))
    assert row is not None
    assert row.sales_channel == "unknown"


def test_a_shipped_order_says_how():
    order = created()
    row = folded(order, shipped(order.order_id, tracking_number="T-9"))
    assert row is not None
    assert (row.status, row.version, row.tracking_number, row.shipped_at, row.total) == ("shipped", 2, "T-9", NOON, Decimal("9.00"))


def test_a_cancelled_order_says_why():
    order = created()
    row = folded(order, cancelled(order.order_id, reason="twice"))
    assert row is not None
    assert (row.status, row.version, row.reason, row.cancelled_at) == ("cancelled", 2, "twice", NOON)


def test_a_rejection_touches_no_order():
    order = created()
    (counted,) = counted_run([rejected(order.order_id, version=1)])
    assert key_of(counted) is None
    row = folded(order)
    assert evolve(row, counted) is row


@pytest.mark.parametrize("record", [shipped(uuid4()), cancelled(uuid4())])
def test_an_event_of_an_order_that_was_never_created_is_accepted_and_makes_none(record):
    assert folded(record) is None
