"""What each customer ordered: `orders` counts all, `units` and `totals` leave cancelled orders out. Pure.

Sums are kept per partition, so that each row depends on one partition only; a query adds the partitions up.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple, assert_never

from event_schemas.events import CommandRejected, OrderCancelled, OrderCreated, OrderShipped
from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Integer, Key, TableDefinition
from projections.tables.exact_sums import decimal_text, plus

Totals = Mapping[str, Mapping[str, Any]]
"""Per currency `{"orders": number, "total": exact decimal text}`; a currency whose orders are all cancelled is not in it."""


class CustomerSummary(NamedTuple):
    """One customer's orders, as far as one partition knows."""

    customer_id: str
    partition: Integer
    orders: int = 0
    cancelled: int = 0
    units: int = 0
    totals: Totals = MappingProxyType({})


def key_of(counted: RecordedMessage) -> Key | None:
    """The customer and partition that the record counts for."""
    match counted.record.data:
        case OrderCreated() | OrderCancelled() as order:
            return order.customer_id, counted.partition
        case OrderShipped() | CommandRejected():
            return None
        case _ as unexpected:
            assert_never(unexpected)


def evolve(row: CustomerSummary | None, counted: RecordedMessage) -> CustomerSummary | None:
    """The customer's sums after this record."""
    match counted.record.data:
        case OrderCreated() as order:
            summary = row or CustomerSummary(customer_id=order.customer_id, partition=counted.partition)
            totals = _with(summary.totals, order.currency, orders=1, amount=Decimal(order.total))
            return summary._replace(orders=summary.orders + 1, units=summary.units + order.units, totals=totals)
        case OrderCancelled() as order:
            summary = row or CustomerSummary(customer_id=order.customer_id, partition=counted.partition)
            totals = _with(summary.totals, order.currency, orders=-1, amount=-Decimal(order.total))
            return summary._replace(cancelled=summary.cancelled + 1, units=summary.units - order.units, totals=totals)
        case OrderShipped() | CommandRejected():
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
    key=("customer_id", "partition"),
    key_of=key_of,
    evolve=evolve,
)
