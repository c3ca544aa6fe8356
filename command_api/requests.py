"""What a client may send: the bodies of the three POSTs, before anything is added to them."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo

from command_api.problems import Fault, faults_of, pointer
from event_schemas.bounds import beyond_bounds
from event_schemas.commands import CancelOrder, CreateOrder, ShipOrder
from event_schemas.pydantic_internals import PlainReader, constructed
from event_schemas.values import MAX_LINES, Closed, Currency, CustomerId, Line, SalesChannel, Text, Time

AHEAD = timedelta(seconds=60)
"""How far a client's clock may be ahead of ours."""


def _not_ahead(moment: datetime | None, info: ValidationInfo) -> datetime | None:
    assert info.context is not None  # `parse_request` gives it
    if moment is not None and moment > info.context["now"] + AHEAD:
        raise ValueError(f"must not lie more than {AHEAD.seconds} seconds ahead")
    return moment


class CreateOrderRequest(Closed):
    """The body of `POST /orders`."""

    customer_id: CustomerId
    currency: Currency
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES)]
    ordered_at: Annotated[Time | None, AfterValidator(_not_ahead)] = None
    reference: Text | None = None
    sales_channel: SalesChannel | None = None


RequestModel = type[CreateOrderRequest] | type[ShipOrder] | type[CancelOrder]
_READERS = {model: PlainReader(model) for model in (CreateOrderRequest, ShipOrder, CancelOrder)}


def parse_request(model: RequestModel, body: Any, *, now: datetime) -> CreateOrder | ShipOrder | CancelOrder | list[Fault]:
    """The command's data with defaults filled in, or everything that is wrong with the body. `now`: the default of `ordered_at`.

    For a body that breaks a bound, only the bound is named: the body's parts are not looked at.
    """
    if (broken := beyond_bounds(body, with_lines=model is CreateOrderRequest)) is not None:
        return [{"pointer": pointer(broken[0]), "detail": broken[1]}]
    try:
        request = _READERS[model].read(body, context={"now": now})
    except ValidationError as error:
        return faults_of(error)
    if not isinstance(request, CreateOrderRequest):
        return request  # type: ignore[no-any-return]  # one of the models
    # Every value was validated a moment ago, by the same types: no need to do it twice.
    return constructed(
        CreateOrder,
        {
            "customer_id": request.customer_id,
            "currency": request.currency,
            "lines": request.lines,
            "ordered_at": request.ordered_at or now,
            "reference": request.reference,
            "sales_channel": request.sales_channel,
        },
    )
