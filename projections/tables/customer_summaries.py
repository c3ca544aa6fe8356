"""What each customer ordered: `orders` counts all, `units` and `totals` leave cancelled orders out. Pure.

Sums are kept per partition, so that each row depends on one partition only; a query adds the partitions up.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple, assert_never

from event_schemas.events import CommandRejectedRecord, OrderCancelledRecord, OrderCreatedRecord, OrderShippedRecord
from event_schemas.recorded import RecordedMessage
from event_schemas.values import decimal_text
from infra.postgres.table_definition import Key, TableDefinition
from projections.tables.exact_sums import minus, plus

Totals = Mapping[str, Mapping[str, Any]]
"""Per currency `{"orders": number, "total": exact decimal text}`; a currency whose orders are all cancelled is not in it."""


class CustomerSummary(NamedTuple):
    """One customer's orders, as far as one partition knows."""

    customer_id: str
    partition: int
    orders: int = 0
    cancelled: int = 0
    units: int = 0
    totals: Totals = MappingProxyType({})


def key_of(counted: RecordedMessage) -> Key | None:
    """The customer and partition that the record counts for."""
    match counted.record:
        case OrderCreatedRecord(data=order) | OrderCancelledRecord(data=order):
            return order.customer_id, counted.partition
        case OrderShippedRecord() | CommandRejectedRecord():
            return None
        case _ as unexpected:
            assert_never(unexpected)


def evolve(row: CustomerSummary | None, counted: RecordedMessage) -> CustomerSummary | None:
    """The customer's sums after this record."""
    match counted.record:
        case OrderCreatedRecord(data=order):
            summary = row or CustomerSummary(order.customer_id, counted.partition)
            totals = _with(summary.totals, order.currency, orders=1, amount=order.total)
            return CustomerSummary(*summary[:2], summary.orders + 1, summary.cancelled, summary.units + order.units, totals)
        case OrderCancelledRecord(data=order):
            summary = row or CustomerSummary(order.customer_id, counted.partition)
            totals = _with(summary.totals, order.currency, orders=-1, amount=minus(Decimal(0), order.total))
            return CustomerSummary(*summary[:2], summary.orders, summary.cancelled + 1, summary.units - order.units, totals)
        case OrderShippedRecord() | CommandRejectedRecord():
            return row
        case _ as unexpected:
            assert_never(unexpected)


def _with(totals: Totals, currency: str, *, orders: int, amount: Decimal) -> Totals:
    before = totals.get(currency)
    # Most customers come once: that needs no arithmetic.
    count, total = (before["orders"] + orders, plus(Decimal(before["total"]), amount)) if before else (orders, amount)
    after = {**totals, currency: {"orders": count, "total": decimal_text(total)}}
    # The count tells a customer with an order for 0.00 from one whose orders are all cancelled.
    if count == 0 and not total:
        del after[currency]
    return after


TABLE = TableDefinition(
    name="customer_summaries",
    row=CustomerSummary,
    columns={
        "customer_id": "text",
        "partition": "integer",
        "orders": "bigint",
        "cancelled": "bigint",
        "units": "bigint",
        "totals": "jsonb",
    },
    key=("customer_id", "partition"),
    key_of=key_of,
    evolve=evolve,
)
