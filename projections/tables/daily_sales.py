"""Sales per UTC day of `ordered_at` and currency; a cancelled order is taken out of the day on which it was placed. Pure.

Sums are kept per partition, so that each row depends on one partition only; a query adds the partitions up.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple, assert_never

from event_schemas.events import CommandRejected, OrderCancelled, OrderCreated, OrderShipped
from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Integer, Key, TableDefinition
from projections.tables.exact_sums import minus, plus


class DailySales(NamedTuple):
    """One day's orders in one currency, as far as one partition knows. `revenue` is exact, in units of the currency."""

    day: date
    currency: str
    partition: Integer
    orders: int = 0
    units: int = 0
    revenue: Decimal = Decimal(0)


def key_of(counted: RecordedMessage) -> Key | None:
    """The day, currency and partition that the record counts for."""
    match counted.record.data:
        case OrderCreated() | OrderCancelled() as order:
            return order.ordered_at.date(), order.currency, counted.partition
        case OrderShipped() | CommandRejected():
            return None
        case _ as unexpected:
            assert_never(unexpected)


def evolve(row: DailySales | None, counted: RecordedMessage) -> DailySales | None:
    """The day's sales after this record."""
    match counted.record.data:
        case OrderCreated() as order:
            day = row or _empty(order, counted.partition)
            return day._replace(orders=day.orders + 1, units=day.units + order.units, revenue=plus(day.revenue, Decimal(order.total)))
        case OrderCancelled() as order:
            day = row or _empty(order, counted.partition)
            return day._replace(orders=day.orders - 1, units=day.units - order.units, revenue=minus(day.revenue, Decimal(order.total)))
        case OrderShipped() | CommandRejected():
            return row
        case _ as unexpected:
            assert_never(unexpected)


def _empty(order: OrderCreated | OrderCancelled, partition: int) -> DailySales:
    return DailySales(day=order.ordered_at.date(), currency=order.currency, partition=partition)


TABLE = TableDefinition(
    name="daily_sales",
    row=DailySales,
    key=("day", "currency", "partition"),
    key_of=key_of,
    evolve=evolve,
)
