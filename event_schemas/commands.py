"""What a client asks for: three commands, and the envelope in which they stand in `order-commands`. Pure."""

from datetime import datetime
from typing import Annotated, Generic
from uuid import UUID

from msgspec import Meta
from typing_extensions import TypeVar

from event_schemas.currencies import in_use
from event_schemas.encoding import encoded
from event_schemas.messages import Closed, Id, KeyHash, OrderVersion, SchemaVersion, Time
from event_schemas.values import AMOUNT, CURRENCY, CUSTOMER_ID, MAX_LINES, MAX_QUANTITY, MAX_TEXT, SALES_CHANNEL, TEXT

_Bounded = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Text = Annotated[_Bounded, TEXT]
CustomerId = Annotated[_Bounded, CUSTOMER_ID]


class Line(Closed, frozen=True, kw_only=True):
    """One line of an order."""

    sku: Text
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
    unit_price: Annotated[str, AMOUNT]


class CreateOrder(Closed, frozen=True, kw_only=True):
    """Place an order. `ordered_at` is the client's own time of the order and may lie in the past.

    Without a `sales_channel` the client named none; commands of version 1 could not and are read as `unknown`.
    """

    customer_id: CustomerId
    currency: Annotated[str, CURRENCY]
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=MAX_LINES)]
    ordered_at: Time
    reference: Text | None = None
    sales_channel: Annotated[str, SALES_CHANNEL] | None = None

    def check(self) -> None:
        """The rule across fields. Raises ValueError, which names the field."""
        try:
            in_use(self.currency, self.ordered_at)
        except ValueError as error:
            raise ValueError(f"currency: {error}") from error


class ShipOrder(Closed, frozen=True, kw_only=True):
    """Hand the order to a carrier."""

    tracking_number: Text


class CancelOrder(Closed, frozen=True, kw_only=True):
    """Take the order back before it is shipped."""

    reason: Text


CommandData = CreateOrder | ShipOrder | CancelOrder
DataT_co = TypeVar("DataT_co", bound=CommandData, default=CommandData, covariant=True)


class Command(Closed, Generic[DataT_co], frozen=True, kw_only=True):
    """A command as it stands in the topic. The fields are written in this order."""

    id: Id
    schema_version: SchemaVersion
    order_id: Id
    key_hash: KeyHash | None = None
    expected_version: OrderVersion | None = None
    correlation_id: Text
    issued_at: Time
    actor: Text
    type: str
    data: DataT_co

    def encoded(self) -> bytes:
        """The message's bytes: the same message gives the same bytes."""
        return encoded(self)


class InvalidCommand(Closed, frozen=True, kw_only=True):
    """A command whose ids can be read but not its content: it is rejected, so that its 202 ends in a record."""

    id: UUID
    order_id: UUID
    type: str
    key_hash: str | None
    correlation_id: str
    issued_at: datetime
    actor: str
    problem: str
