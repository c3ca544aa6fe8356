"""What happened: three events and the rejection, and the envelope in which they stand in `order-events`.

Each event carries what a reader needs to fold and filter it alone. What was released stays as it is: a change is a new
`schema_version` with an upcaster, and adds nothing but optional fields (docs/schemas.md).
"""

from hashlib import sha1
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field

from event_schemas.encoding import message_bytes
from event_schemas.pydantic_internals import constructed, version_5
from event_schemas.values import (
    Amount,
    Currency,
    CustomerId,
    Id,
    KeyHash,
    Open,
    Quantity,
    SalesChannel,
    SchemaVersion,
    Text,
    Time,
    Total,
    Units,
    Words,
)

EVENT_SCHEMA_VERSIONS = {"OrderCreated": 2, "OrderShipped": 1, "OrderCancelled": 1, "CommandRejected": 1}
"""The version that is written, by type; those before it are upcast when they are read (docs/schemas.md)."""
MAX_VERSION = 2**31 - 1


def record_id(command_id: UUID) -> UUID:
    """The id of the one record in which a command ends."""
    # uuid5(command_id, "record"), without building what is thrown away again.
    return version_5(sha1(command_id.bytes + b"record", usedforsecurity=False).digest())


class OrderedLine(Open):
    """One line of an order that was placed."""

    sku: Text
    quantity: Quantity
    unit_price: Amount


class OrderCreated(Open):
    """An order was placed. `sales_channel`: what the client said, if it did; `unknown` when it was placed before anyone asked."""

    customer_id: CustomerId
    currency: Currency
    lines: tuple[OrderedLine, ...]
    units: Units
    total: Total
    ordered_at: Time
    reference: Text | None = None
    sales_channel: SalesChannel | None = None


class OrderShipped(Open):
    """An order was handed to a carrier."""

    customer_id: CustomerId
    tracking_number: Text
    shipped_at: Time


class OrderCancelled(Open):
    """An order was taken back; what it had added to sums stands here, so that they can be corrected from this event alone."""

    customer_id: CustomerId
    reason: Text
    cancelled_at: Time
    ordered_at: Time
    currency: Currency
    units: Units
    total: Total


class CommandRejected(Open):
    """A command was refused. `version` in the envelope is the order's as it was, 0 without an order."""

    code: Words
    detail: Words
    command_type: Words
    customer_id: CustomerId | None = None


EventData = OrderCreated | OrderShipped | OrderCancelled
RecordData = EventData | CommandRejected


class Envelope(Open):
    """What every record says of itself, beside its data."""

    id: Id
    type: str
    schema_version: SchemaVersion
    order_id: Id
    version: Annotated[int, Field(ge=0, le=MAX_VERSION)]
    command_id: Id
    key_hash: KeyHash | None = None
    correlation_id: Words
    occurred_at: Time
    actor: Words

    def encoded(self) -> bytes:
        """The record's bytes: the same record gives the same bytes."""
        return message_bytes(self)

    @classmethod
    def of(cls, data: RecordData, **fields: Any) -> Self:
        """Build the record of this type around its data, from valid values; only `key_hash` may be left out."""
        name = type(data).__name__
        given = {
            "id": fields["id"],
            "type": name,
            "schema_version": EVENT_SCHEMA_VERSIONS[name],
            "order_id": fields["order_id"],
            "version": fields["version"],
            "command_id": fields["command_id"],
            "key_hash": fields.get("key_hash"),
            "correlation_id": fields["correlation_id"],
            "occurred_at": fields["occurred_at"],
            "actor": fields["actor"],
            "data": data,
        }
        return constructed(cls, given)


class OrderCreatedRecord(Envelope):
    """`OrderCreated` as it stands in the log."""

    type: Literal["OrderCreated"]
    data: OrderCreated


class OrderShippedRecord(Envelope):
    """`OrderShipped` as it stands in the log."""

    type: Literal["OrderShipped"]
    data: OrderShipped


class OrderCancelledRecord(Envelope):
    """`OrderCancelled` as it stands in the log."""

    type: Literal["OrderCancelled"]
    data: OrderCancelled


class CommandRejectedRecord(Envelope):
    """`CommandRejected` as it stands in the log."""

    type: Literal["CommandRejected"]
    data: CommandRejected


EventRecord = OrderCreatedRecord | OrderShippedRecord | OrderCancelledRecord
Record = EventRecord | CommandRejectedRecord

RECORD_TYPES: dict[str, type[OrderCreatedRecord] | type[OrderShippedRecord] | type[OrderCancelledRecord] | type[CommandRejectedRecord]] = {
    "OrderCreated": OrderCreatedRecord,
    "OrderShipped": OrderShippedRecord,
    "OrderCancelled": OrderCancelledRecord,
    "CommandRejected": CommandRejectedRecord,
}

COMMAND_OF_EVENT = {"OrderCreated": "CreateOrder", "OrderShipped": "ShipOrder", "OrderCancelled": "CancelOrder"}


def command_type(record: Record) -> str:
    """The type of the command that ended in this record."""
    return record.data.command_type if isinstance(record, CommandRejectedRecord) else COMMAND_OF_EVENT[record.type]
