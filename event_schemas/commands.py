"""What a client asks for: three commands, and the envelope in which they stand in `order-commands`."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from event_schemas.values import MAX_LINES, Closed, Currency, CustomerId, Id, KeyHash, Line, SalesChannel, SchemaVersion, Text, Time

COMMAND_SCHEMA_VERSIONS = {"CreateOrder": 2, "ShipOrder": 1, "CancelOrder": 1}
"""The version that is written, by type; those before it are upcast when they are read (docs/schemas.md)."""


class CreateOrder(Closed):
    """Place an order. `ordered_at` is the client's own time of the order and may lie in the past.

    Without a `sales_channel` the client named none; commands of version 1 could not and are read as `unknown`.
    """

    customer_id: CustomerId
    currency: Currency
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)]
    ordered_at: Time
    reference: Text | None = None
    sales_channel: SalesChannel | None = None

    type: ClassVar[str] = "CreateOrder"


class ShipOrder(Closed):
    """Hand the order to a carrier."""

    tracking_number: Text

    type: ClassVar[str] = "ShipOrder"


class CancelOrder(Closed):
    """Take the order back before it is shipped."""

    reason: Text

    type: ClassVar[str] = "CancelOrder"


CommandData = CreateOrder | ShipOrder | CancelOrder


class _Envelope(Closed):
    id: Id
    schema_version: SchemaVersion
    order_id: Id
    key_hash: KeyHash | None = None
    expected_version: Annotated[int, Field(ge=0)] | None = None
    correlation_id: Text
    issued_at: Time
    actor: Text


class CreateOrderCommand(_Envelope):
    """`CreateOrder` as it stands in the topic."""

    type: Literal["CreateOrder"] = "CreateOrder"
    data: CreateOrder


class ShipOrderCommand(_Envelope):
    """`ShipOrder` as it stands in the topic."""

    type: Literal["ShipOrder"] = "ShipOrder"
    data: ShipOrder


class CancelOrderCommand(_Envelope):
    """`CancelOrder` as it stands in the topic."""

    type: Literal["CancelOrder"] = "CancelOrder"
    data: CancelOrder


Command = CreateOrderCommand | ShipOrderCommand | CancelOrderCommand
COMMAND_TYPES: tuple[type[CreateOrderCommand], type[ShipOrderCommand], type[CancelOrderCommand]] = (
    CreateOrderCommand,
    ShipOrderCommand,
    CancelOrderCommand,
)


class InvalidCommand(Closed):
    """A command whose ids can be read but not its content: it is rejected, so that its 202 ends in a record."""

    id: UUID
    order_id: UUID
    type: str
    key_hash: KeyHash | None
    correlation_id: str
    issued_at: Time
    actor: str
    problem: str
