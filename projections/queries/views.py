"""What the query API answers, as models: OpenAPI is made from them."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from event_schemas.request_types import RecordType
from projections.queries.sql import OrderStatus
from projections.tables.exact_sums import decimal_text

T = TypeVar("T")
IfAny = Annotated[T | None, Field(default=None, exclude_if=lambda value: value is None)]
"""A member that is left out when there is nothing to say."""
Total = Annotated[Decimal, PlainSerializer(decimal_text, return_type=str)]
"""An exact sum of amounts, as decimal text."""


Visibility = Mapping[str, Literal["visible", "behind", "parked"]]
"""Per read model, whether it shows a record."""


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class LineView(View):
    """One line of an order."""

    sku: str
    quantity: int
    unit_price: str


class OrderView(View):
    """An order as it is, or as it was. `total` is exact, in units of the currency."""

    order_id: UUID
    customer_id: str
    status: OrderStatus
    currency: str
    lines: list[LineView]
    units: int
    total: Total
    version: int
    ordered_at: AwareDatetime
    reference: IfAny[str] = None
    sales_channel: IfAny[str] = None
    tracking_number: IfAny[str] = None
    shipped_at: IfAny[AwareDatetime] = None
    reason: IfAny[str] = None
    cancelled_at: IfAny[AwareDatetime] = None
    parked: IfAny[list[str]] = None
    """The read models that hold this order only up to a record that they could not take."""


class OrderPage(View):
    """Orders, newest `ordered_at` first, then by id. `next_cursor` is null on the last page."""

    items: list[OrderView]
    next_cursor: str | None


class HistoryItem(View):
    """A record as it stands in the log, whatever its version, with its position and when the log took it in.

    `occurred_at` is the time of the command `command_id`, which caused it.
    """

    model_config = ConfigDict(extra="allow")

    id: UUID
    type: RecordType
    schema_version: int
    order_id: UUID
    version: int
    command_id: UUID
    correlation_id: str
    occurred_at: AwareDatetime
    actor: str
    data: Mapping[str, Any]
    position: str
    appended_at: IfAny[AwareDatetime] = None


class HistoryView(View):
    """Every record of an order, rejections too, in the order of the log. `parked`: as an order has it."""

    items: list[HistoryItem]
    parked: IfAny[list[str]] = None


class CustomerView(View):
    """A customer's sums: `orders` counts all, `units` and `totals` (exact, by currency) leave cancelled orders out."""

    customer_id: str
    orders: int
    cancelled: int
    units: int
    totals: Mapping[str, str]


class SalesDayView(View):
    """One UTC day of `ordered_at` in one currency, cancelled orders taken out. `revenue` is exact."""

    day: date
    currency: str
    orders: int
    units: int
    revenue: Total


class SalesView(View):
    """Sales by day, then currency."""

    items: list[SalesDayView]


class CommandView(View):
    """What became of a command. `record_id` is the id of the record in which it ended; `version` and `position` are null while pending."""

    command_id: UUID
    order_id: UUID
    type: str
    status: Literal["pending", "accepted", "rejected"]
    code: IfAny[str] = None
    detail: IfAny[str] = None
    version: int | None
    position: str | None
    record_id: IfAny[UUID] = None
    correlation_id: IfAny[str] = None
    occurred_at: IfAny[AwareDatetime] = None
    appended_at: IfAny[AwareDatetime] = None
    projections: Visibility


class TraceItem(View):
    """One command's chain. `received_at` is the gateway's time; the log's are `appended_at`, null once the command itself was deleted,
    and `decided_at`."""

    command_id: UUID
    order_id: UUID
    type: str
    status: Literal["accepted", "rejected"]
    code: IfAny[str] = None
    detail: IfAny[str] = None
    version: int
    position: str
    record_id: UUID
    correlation_id: str
    received_at: AwareDatetime
    appended_at: AwareDatetime | None
    decided_at: AwareDatetime | None
    projections: Visibility


class TraceView(View):
    """Commands in the order of the log's times, at most 100."""

    items: list[TraceItem]
