"""What a client may send: the bodies of the three POSTs, before anything is added to them."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, Strict, ValidationError, ValidationInfo

from command_api.problems import Fault, faults_of, pointer
from event_schemas.commands import CancelOrder, CommandData, CreateOrder, Line, ShipOrder
from event_schemas.currencies import in_use
from event_schemas.request_types import Amount, Currency, CustomerId, Request, SalesChannel, Text, Time
from event_schemas.values import MAX_LINES, MAX_QUANTITY

AHEAD = timedelta(seconds=60)
"""How far a client's clock may be ahead of ours."""
MAX_MEMBERS = 32
"""Members of an object that are looked at one by one; no body of ours has half as many.

A model names every fault of what it is given. In a quarter of a megabyte there may be a hundred thousand, and each costs a thousand
times the memory of its bytes.
"""
_TOO_MANY_MEMBERS = f"must have at most {MAX_MEMBERS} members"


def _not_ahead(moment: datetime | None, info: ValidationInfo) -> datetime | None:
    if moment is not None and moment > _now(info) + AHEAD:
        raise ValueError(f"must not lie more than {AHEAD.seconds} seconds ahead")
    return moment


def _now(info: ValidationInfo) -> datetime:
    now: datetime = info.context["now"]  # type: ignore[index]  # `parse_request` gives it
    return now


class OrderLineRequest(Request):
    """One line of an order."""

    sku: Text
    quantity: Annotated[int, Strict(), Field(ge=1, le=MAX_QUANTITY)]
    unit_price: Amount


class CreateOrderRequest(Request):
    """The body of `POST /orders`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}]
        }
    )

    customer_id: CustomerId
    currency: Currency
    lines: Annotated[tuple[OrderLineRequest, ...], Field(min_length=1, max_length=MAX_LINES)]
    ordered_at: Annotated[
        Time | None,
        AfterValidator(_not_ahead),
        Field(description="With an offset; may be past; more than 60 s ahead is refused; default: now"),
    ] = None
    reference: Annotated[Text | None, Field(description="The client's own name of the order")] = None
    sales_channel: SalesChannel | None = None

    def data(self, now: datetime) -> CreateOrder:
        """What the command carries."""
        return CreateOrder(
            customer_id=self.customer_id,
            currency=self.currency,
            lines=tuple([Line(sku=line.sku, quantity=line.quantity, unit_price=line.unit_price) for line in self.lines]),
            ordered_at=self.ordered_at or now,
            reference=self.reference,
            sales_channel=self.sales_channel,
        )


class ShipOrderRequest(Request):
    """The body of `POST /orders/{order_id}/ship`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tracking_number": "1Z999AA10123456784"}]})

    tracking_number: Text

    def data(self, _now: datetime) -> ShipOrder:
        """What the command carries."""
        return ShipOrder(tracking_number=self.tracking_number)


class CancelOrderRequest(Request):
    """The body of `POST /orders/{order_id}/cancel`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "ordered twice"}]})

    reason: Text

    def data(self, _now: datetime) -> CancelOrder:
        """What the command carries."""
        return CancelOrder(reason=self.reason)


RequestModel = type[CreateOrderRequest] | type[ShipOrderRequest] | type[CancelOrderRequest]


def parse_request(model: RequestModel, body: Any, *, now: datetime) -> CommandData | list[Fault]:
    """The command's data with defaults filled in, or everything that is wrong with the body. `now`: the default of `ordered_at`.

    For a body that breaks a bound, only the bound is named: the body's parts are not looked at.
    """
    if (broken := beyond_bounds(body, with_lines=model is CreateOrderRequest)) is not None:
        return [{"pointer": pointer(broken[0]), "detail": broken[1]}]
    try:
        data = model.model_validate(body, context={"now": now}).data(now)
    except ValidationError as error:
        return faults_of(error)
    return _across_fields(data)


def _across_fields(data: CommandData) -> CommandData | list[Fault]:
    if isinstance(data, CreateOrder):
        try:
            in_use(data.currency, data.ordered_at)
        except ValueError as error:
            return [{"pointer": "/currency", "detail": str(error)}]
    return data


def beyond_bounds(data: Any, *, with_lines: bool) -> tuple[tuple[str | int, ...], str] | None:
    """The first bound that a command's data breaks, and where: there is nothing to be validated then.

    `with_lines`: the data may have `lines`.
    """
    if not isinstance(data, dict):
        return None
    if len(data) > MAX_MEMBERS:
        return (), _TOO_MANY_MEMBERS
    lines = data.get("lines") if with_lines else None
    if not isinstance(lines, list):
        return None
    if len(lines) > MAX_LINES:
        return ("lines",), f"must have at most {MAX_LINES} items"
    for index, line in enumerate(lines):
        if isinstance(line, dict) and len(line) > MAX_MEMBERS:
            return ("lines", index), _TOO_MANY_MEMBERS
    return None
