"""What the aggregate knows of one order: one frozen class per status, each with only what a later decision needs. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NoOrder:
    """Nothing was placed under this id."""

    version: int = 0


@dataclass(frozen=True, slots=True)
class CreatedOrder:
    """Placed; may be shipped or cancelled. Holds what a cancellation must take out of the sums."""

    version: int
    customer_id: str
    ordered_at: datetime
    currency: str
    units: int
    total: str


@dataclass(frozen=True, slots=True)
class ShippedOrder:
    """With the carrier; nothing can change any more."""

    version: int
    customer_id: str


@dataclass(frozen=True, slots=True)
class CancelledOrder:
    """Taken back; nothing can change any more."""

    version: int
    customer_id: str


OrderState = NoOrder | CreatedOrder | ShippedOrder | CancelledOrder
