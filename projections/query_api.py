"""The query API: each route reads one snapshot and says in its headers how fresh that is."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Response

from event_schemas.codes import Code
from infra.problems import Problem
from projections import queries
from projections.command_status import command_view
from projections.cursors import Cursor, NoCursor
from projections.order_history import HistoryEntry
from projections.queries import OrderFilter
from projections.read_models import Read, ReadModels
from projections.request_parts import Day, OrderListParameters, PositionToken, invalid_parameter, problem_responses, uuid_or_none
from projections.snapshots import Snapshot
from projections.views import CommandView, CustomerView, HistoryView, OrderPage, OrderView, SalesDayView, SalesView

_EVERYWHERE = (Code.VALIDATION_FAILED, Code.READ_MODEL_BEHIND, Code.READ_MODEL_UNAVAILABLE, Code.REBUILDING)
_FRESHNESS = {
    "Orders-Position": {"description": "The position up to which this answer is complete", "schema": {"type": "string"}},
    "Orders-Lag": {"description": "Age in seconds of the oldest record not applied, 0 if none", "schema": {"type": "number"}},
}
_ETAG = {"ETag": {"description": "The order's version, quoted", "schema": {"type": "string"}}}
T = TypeVar("T")


def create_query_router(reads: ReadModels) -> APIRouter:
    """All routes of the query API, reading through `reads`. The application around it renders infra.problems.Problem."""
    router = APIRouter(tags=["queries"])
    _add_orders(router, reads)
    _add_sums(router, reads)
    _add_commands(router, reads)
    return router


def _documented(*codes: Code, headers: dict[str, Any] | None = None, **ok: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"headers": _FRESHNESS | (headers or {}), **ok}, **problem_responses(*codes, *_EVERYWHERE)}


def _found(read: Read[T | None], absent: Code, detail: str) -> T:
    if read.found is None:
        raise Problem(absent, detail, headers=read.headers)
    return read.found


def _add_orders(router: APIRouter, reads: ReadModels) -> None:
    @router.get("/orders/{order_id}", responses=_documented(Code.ORDER_NOT_FOUND, headers=_ETAG))
    async def get_order(order_id: str, response: Response, position: PositionToken = None) -> OrderView:
        """One order as it is now."""
        read = await reads.read(partial(_order, order_id=order_id), position=position)
        order = _found(read, Code.ORDER_NOT_FOUND, "there is no order with this id")
        response.headers.update({**read.headers, "ETag": f'"{order.version}"'})
        return order

    @router.get("/orders/{order_id}/events", response_model=None, responses=_documented(Code.ORDER_NOT_FOUND, model=HistoryView))
    async def get_order_events(order_id: str, position: PositionToken = None) -> Response:
        """Every record of an order as it stands in the log, rejections too."""
        read = await reads.read(partial(_history, order_id=order_id), position=position)
        body = _found(read, Code.ORDER_NOT_FOUND, "there is no record of an order with this id")
        return Response(body, media_type="application/json", headers=dict(read.headers))

    @router.get("/orders", responses=_documented())
    async def list_orders(parameters: Annotated[OrderListParameters, Query()], response: Response) -> OrderPage:
        """Orders page by page, newest `ordered_at` first, then by id."""
        after = _parsed_cursor(parameters.cursor)
        wanted = OrderFilter(parameters.customer_id, parameters.status, after, parameters.limit)
        read = await reads.read(partial(queries.list_orders, wanted=wanted), position=parameters.position)
        response.headers.update(read.headers)
        return _page(read.found, parameters.limit)


def _add_sums(router: APIRouter, reads: ReadModels) -> None:
    @router.get("/customers/{customer_id}", responses=_documented(Code.CUSTOMER_NOT_FOUND))
    async def get_customer(customer_id: str, response: Response, position: PositionToken = None) -> CustomerView:
        """What a customer ordered, in sums."""
        read = await reads.read(partial(_customer, customer_id=customer_id), position=position)
        customer = _found(read, Code.CUSTOMER_NOT_FOUND, "there is no order of this customer")
        response.headers.update(read.headers)
        return customer

    @router.get("/sales", responses=_documented())
    async def get_sales(
        response: Response,
        first: Annotated[Day | None, Query(alias="from", description="First day, included")] = None,
        last: Annotated[Day | None, Query(alias="to", description="Last day, included")] = None,
        position: PositionToken = None,
    ) -> SalesView:
        """Sales per UTC day of `ordered_at` and currency."""
        read = await reads.read(partial(queries.daily_sales, first=first, last=last), position=position)
        response.headers.update(read.headers)
        return SalesView(items=[SalesDayView.model_validate(day) for day in read.found])


def _add_commands(router: APIRouter, reads: ReadModels) -> None:
    @router.get("/commands/{command_id}", responses=_documented(Code.COMMAND_UNKNOWN))
    async def get_command(command_id: str, response: Response, position: PositionToken = None) -> CommandView:
        """What became of a command."""
        read = await reads.read(partial(command_view, command_id=uuid_or_none(command_id)), position=position)
        outcome = _found(
            read, Code.COMMAND_UNKNOWN, "no outcome of this command is known; it may be pending: follow the Location of its 202"
        )
        response.headers.update(read.headers)
        return outcome


async def _order(snapshot: Snapshot, *, order_id: str) -> OrderView | None:
    known = uuid_or_none(order_id)
    row = await queries.find_order(snapshot, known) if known else None
    return OrderView.model_validate(row) if row else None


async def _history(snapshot: Snapshot, *, order_id: str) -> bytes | None:
    known = uuid_or_none(order_id)
    entries = await queries.find_history(snapshot, known) if known else ()
    return _history_body(snapshot, entries) if entries else None


def _history_body(snapshot: Snapshot, entries: Sequence[HistoryEntry]) -> bytes:
    # The envelopes are passed on as they stand in the log; only the position is added to each.
    items = [
        f'{entry.envelope.rstrip().removesuffix("}")},"position":"{snapshot.token_after(entry.partition, entry.record_offset)}"}}'
        for entry in entries
    ]
    return ('{"items":[' + ",".join(items) + "]}").encode()


async def _customer(snapshot: Snapshot, *, customer_id: str) -> CustomerView | None:
    # No customer's id has a character that can't be printed, and PostgreSQL refuses to look for a NUL.
    sums = await queries.find_customer(snapshot, customer_id) if "\0" not in customer_id else None
    return CustomerView(customer_id=customer_id, **vars(sums)) if sums else None


def _parsed_cursor(token: str | None) -> Cursor | None:
    try:
        return None if token is None else Cursor.parse(token)
    except NoCursor as error:
        raise invalid_parameter("cursor", str(error)) from error


def _page(rows: Sequence[dict[str, Any]], limit: int) -> OrderPage:
    orders = [OrderView.model_validate(row) for row in rows[:limit]]
    more = Cursor(orders[-1].ordered_at, orders[-1].order_id).token() if len(rows) > limit else None
    return OrderPage(items=orders, next_cursor=more)
