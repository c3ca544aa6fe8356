"""What happened: three events and the rejection, and the envelope in which they stand in `order-events`. Pure.

Each event carries what a reader needs to fold and filter it alone. What was released stays as it is: a change is a new
`schema_version` with an upcaster, and adds nothing but optional fields (docs/schemas.md).
"""

from typing import Generic

from typing_extensions import TypeVar

from event_schemas.encoding import encoded
from event_schemas.messages import Amount, CurrencyCode, Id, KeyHash, Open, OrderVersion, Quantity, SchemaVersion, Time


class OrderedLine(Open, frozen=True, kw_only=True):
    """One line of an order that was placed."""

    sku: str
    quantity: Quantity
    unit_price: Amount


class OrderCreated(Open, frozen=True, kw_only=True):
    """An order was placed. `sales_channel`: what the client said, if it did; `unknown` when it was placed before anyone asked."""

    customer_id: str
    currency: CurrencyCode
    lines: tuple[OrderedLine, ...]
    units: Quantity
    total: Amount
    ordered_at: Time
    reference: str | None = None
    sales_channel: str | None = None


class OrderShipped(Open, frozen=True, kw_only=True):
    """An order was handed to a carrier."""

    customer_id: str
    tracking_number: str
    shipped_at: Time


class OrderCancelled(Open, frozen=True, kw_only=True):
    """An order was taken back; what it had added to sums stands here, so that they can be corrected from this event alone."""

    customer_id: str
    reason: str
    cancelled_at: Time
    ordered_at: Time
    currency: CurrencyCode
    units: Quantity
    total: Amount


class CommandRejected(Open, frozen=True, kw_only=True):
    """A command was refused. `version` in the envelope is the order's as it was, 0 without an order."""

    code: str
    detail: str
    command_type: str
    customer_id: str | None = None


EventData = OrderCreated | OrderShipped | OrderCancelled
RecordData = EventData | CommandRejected
DataT_co = TypeVar("DataT_co", bound=RecordData, default=RecordData, covariant=True)


class Record(Open, Generic[DataT_co], frozen=True, kw_only=True):
    """A record as it stands in the log. The fields are written in this order; `registry.new_record` fills in type and version."""

    id: Id
    type: str
    schema_version: SchemaVersion
    order_id: Id
    version: OrderVersion
    command_id: Id
    key_hash: KeyHash | None = None
    correlation_id: str
    occurred_at: Time
    actor: str
    data: DataT_co

    def encoded(self) -> bytes:
        """The message's bytes: the same message gives the same bytes."""
        return encoded(self)
