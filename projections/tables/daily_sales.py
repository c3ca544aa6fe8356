"""Sales per UTC day of `ordered_at` and currency; a cancelled order is taken out of the day on which it was placed. Pure.

Sums are kept per partition, so that each row depends on one partition only; a query adds the partitions up.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple, assert_never

from event_schemas.events import CommandRejectedRecord, OrderCancelledRecord, OrderCreatedRecord, OrderShippedRecord
from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Key, TableDefinition
from projections.tables.exact_sums import minus, plus


class DailySales(NamedTuple):
    """One day's orders in one currency, as far as one partition knows. `revenue` is exact, in units of the currency."""

    day: date
    currency: str
    partition: int
    orders: int = 0
    units: int = 0
    revenue: Decimal = Decimal(0)


def key_of(counted: RecordedMessage) -> Key | None:
    """The day, currency and partition that the record counts for."""
    match counted.record:
        case OrderCreatedRecord(data=order) | OrderCancelledRecord(data=order):
            return order.ordered_at.date(), order.currency, counted.partition
        case OrderShippedRecord() | CommandRejectedRecord():
            return None
        case _ as unexpected:
            assert_never(unexpected)


def evolve(row: DailySales | None, counted: RecordedMessage) -> DailySales | None:
    """The day's sales after this record."""
    match counted.record:
        case OrderCreatedRecord(data=order):
            day = row or DailySales(order.ordered_at.date(), order.currency, counted.partition)
            return DailySales(*day[:3], day.orders + 1, day.units + order.units, plus(day.revenue, order.total))
        case OrderCancelledRecord(data=order):
            day = row or DailySales(order.ordered_at.date(), order.currency, counted.partition)
            return DailySales(*day[:3], day.orders - 1, day.units - order.units, minus(day.revenue, order.total))
        case OrderShippedRecord() | CommandRejectedRecord():
            return row
        case _ as unexpected:
            assert_never(unexpected)


TABLE = TableDefinition(
    name="daily_sales",
    row=DailySales,
    columns={
        "day": "date",
        "currency": "text",
        "partition": "integer",
        "orders": "bigint",
        "units": "bigint",
        "revenue": "numeric",
    },
    key=("day", "currency", "partition"),
    key_of=key_of,
    evolve=evolve,
)
