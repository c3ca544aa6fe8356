"""Each order as it is now. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, assert_never
from uuid import UUID

from event_schemas.events import CommandRejected, OrderCancelled, OrderCreated, OrderShipped, Record
from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Integer, Key, TableDefinition


class OrderDetails(NamedTuple):
    """One order. `lines` are plain JSON with prices as decimal text; `total` is exact, in units of the currency.

    `sales_channel`: None when the client named none, `unknown` when the order was placed before the field existed.
    """

    order_id: UUID
    partition: Integer
    version: Integer
    status: str
    customer_id: str
    currency: str
    lines: Sequence[Mapping[str, Any]]
    units: int
    total: Decimal
    ordered_at: datetime
    reference: str | None = None
    sales_channel: str | None = None
    tracking_number: str | None = None
    shipped_at: datetime | None = None
    reason: str | None = None
    cancelled_at: datetime | None = None


def key_of(counted: RecordedMessage) -> Key | None:
    """The order, when the record is an event: a rejection changes none."""
    match counted.record.data:
        case OrderCreated() | OrderShipped() | OrderCancelled():
            return (counted.record.order_id,)
        case CommandRejected():
            return None
        case _ as unexpected:
            assert_never(unexpected)


def evolve(row: OrderDetails | None, counted: RecordedMessage) -> OrderDetails | None:
    """The order after this record; None while it has not been created."""
    match counted.record.data:
        case OrderCreated() as order:
            return _created(counted.record, order, counted.partition)
        case OrderShipped() as event:
            return row and row._replace(
                version=counted.record.version, status="shipped", tracking_number=event.tracking_number, shipped_at=event.shipped_at
            )
        case OrderCancelled() as event:
            return row and row._replace(
                version=counted.record.version, status="cancelled", reason=event.reason, cancelled_at=event.cancelled_at
            )
        case CommandRejected():
            return row
        case _ as unexpected:
            assert_never(unexpected)


def _created(record: Record, order: OrderCreated, partition: int) -> OrderDetails:
    return OrderDetails(
        order_id=record.order_id,
        partition=partition,
        version=record.version,
        status="created",
        customer_id=order.customer_id,
        currency=order.currency,
        lines=[{"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price} for line in order.lines],
        units=order.units,
        total=Decimal(order.total),
        ordered_at=order.ordered_at,
        reference=order.reference,
        sales_channel=order.sales_channel,
    )


TABLE = TableDefinition(
    name="order_details",
    row=OrderDetails,
    key=("order_id",),
    key_of=key_of,
    evolve=evolve,
    # GET /orders pages through them, newest first, whatever it filters by.
    indexes=(("ordered_at desc", "order_id"), ("customer_id", "ordered_at desc", "order_id"), ("status", "ordered_at desc", "order_id")),
)
