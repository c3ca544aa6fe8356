"""Each order as it is now. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, assert_never
from uuid import UUID

from event_schemas.events import CommandRejectedRecord, OrderCancelledRecord, OrderCreatedRecord, OrderShippedRecord
from event_schemas.recorded import RecordedMessage
from event_schemas.values import decimal_text
from infra.postgres.table_definition import Key, TableDefinition


class OrderDetails(NamedTuple):
    """One order. `lines` are plain JSON with prices as decimal text; `total` is exact, in units of the currency.

    `sales_channel`: None when the client named none, `unknown` when the order was placed before the field existed.
    """

    order_id: UUID
    partition: int
    version: int
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
    match counted.record:
        case OrderCreatedRecord() | OrderShippedRecord() | OrderCancelledRecord():
            return (counted.record.order_id,)
        case CommandRejectedRecord():
            return None
        case _ as unexpected:
            assert_never(unexpected)


def evolve(row: OrderDetails | None, counted: RecordedMessage) -> OrderDetails | None:
    """The order after this record; None while it has not been created."""
    match counted.record:
        case OrderCreatedRecord():
            return _created(counted.record, counted.partition)
        case OrderShippedRecord(version=version, data=event):
            return row and row._replace(
                version=version, status="shipped", tracking_number=event.tracking_number, shipped_at=event.shipped_at
            )
        case OrderCancelledRecord(version=version, data=event):
            return row and row._replace(version=version, status="cancelled", reason=event.reason, cancelled_at=event.cancelled_at)
        case CommandRejectedRecord():
            return row
        case _ as unexpected:
            assert_never(unexpected)


def _created(record: OrderCreatedRecord, partition: int) -> OrderDetails:
    order = record.data
    # In the order of the fields, which takes half as long as by their names.
    return OrderDetails(
        record.order_id,
        partition,
        record.version,
        "created",
        order.customer_id,
        order.currency,
        [{"sku": line.sku, "quantity": line.quantity, "unit_price": decimal_text(line.unit_price)} for line in order.lines],
        order.units,
        order.total,
        order.ordered_at,
        order.reference,
        order.sales_channel,
    )


TABLE = TableDefinition(
    name="order_details",
    row=OrderDetails,
    columns={
        "order_id": "uuid",
        "partition": "integer",
        "version": "integer",
        "status": "text",
        "customer_id": "text",
        "currency": "text",
        "lines": "jsonb",
        "units": "bigint",
        "total": "numeric",
        "ordered_at": "timestamptz",
        "reference": "text",
        "sales_channel": "text",
        "tracking_number": "text",
        "shipped_at": "timestamptz",
        "reason": "text",
        "cancelled_at": "timestamptz",
    },
    key=("order_id",),
    key_of=key_of,
    evolve=evolve,
    # GET /orders pages through them, newest first, whatever it filters by.
    indexes=(("ordered_at desc", "order_id"), ("customer_id", "ordered_at desc", "order_id"), ("status", "ordered_at desc", "order_id")),
)
