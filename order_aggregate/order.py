"""What the aggregate knows of one order: one frozen class per status, each with only what a later decision needs. Pure."""

from datetime import datetime

from msgspec import Struct


class NoOrder(Struct, frozen=True, gc=False):
    """Nothing was placed under this id."""

    version: int = 0


class CreatedOrder(Struct, frozen=True, gc=False):
    """Placed; may be shipped or cancelled. Holds what a cancellation must take out of the sums."""

    version: int
    customer_id: str
    ordered_at: datetime
    currency: str
    units: int
    total: str


class ShippedOrder(Struct, frozen=True, gc=False):
    """With the carrier; nothing can change any more."""

    version: int
    customer_id: str


class CancelledOrder(Struct, frozen=True, gc=False):
    """Taken back; nothing can change any more."""

    version: int
    customer_id: str


OrderState = NoOrder | CreatedOrder | ShippedOrder | CancelledOrder
