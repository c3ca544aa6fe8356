"""The query API: each route reads one snapshot and says in its headers how fresh that is."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Response

from event_schemas.codes import Code
from event_schemas.decoding import NewerSchema
from infra.http.problems import Problem
from projections.command_lookup.outcomes import CommandOutcomes
from projections.command_lookup.routes import add_command_routes
from projections.command_lookup.status import log_time
from projections.queries import sql as queries
from projections.queries.read_models import Read, ReadModels
from projections.queries.read_snapshot import ReadSnapshot
from projections.queries.request_parts import Day, OrderListParameters, PointInTime, PositionToken, Version, invalid_parameter, uuid_or_none
from projections.queries.request_parts import documented as _documented
from projections.queries.sql import Cursor, NoCursor, OrderFilter
from projections.queries.time_travel import AsOf, AtVersion, Moment, order_at
from projections.queries.views import CustomerView, HistoryView, OrderPage, OrderView, SalesDayView, SalesView
from projections.store.parked import parked_tables
from projections.tables.order_details import TABLE as ORDER_DETAILS_TABLE
from projections.tables.order_details import OrderDetails
from projections.tables.order_history import HistoryEntry

_ETAG = {"ETag": {"description": "The order's version, quoted", "schema": {"type": "string"}}}
T = TypeVar("T")


def create_query_router(reads: ReadModels, outcomes: CommandOutcomes | None = None) -> APIRouter:
    """All routes of the query API, reading through `reads`. The application around it renders infra.http.problems.Problem.

    Without `outcomes`, of commands only what the read models hold is known.
    """
    router = APIRouter(tags=["queries"])
    _add_orders(router, reads)
    _add_sums(router, reads)
    add_command_routes(router, reads, outcomes or CommandOutcomes(reads, None))
    return router


def _found(read: Read[T | None], absent: Code, detail: str) -> T:
    if read.found is None:
        raise Problem(absent, detail, headers=read.headers)
    return read.found


def _add_orders(router: APIRouter, reads: ReadModels) -> None:
    @router.get("/orders/{order_id}", responses=_documented(Code.ORDER_NOT_FOUND, headers=_ETAG))
    async def get_order(
        order_id: str,
        response: Response,
        version: Annotated[Version | None, Query(description="The order as it was at this version")] = None,
        as_of: Annotated[PointInTime | None, Query(description="The order as it was at this time, by `occurred_at`")] = None,
        position: PositionToken = None,
    ) -> OrderView:
        """One order as it is now, or as it was."""
        moment = _moment(version, as_of)
        read = await reads.read(partial(_order, order_id=order_id, moment=moment), position=position)
        order = _found(
            read, Code.ORDER_NOT_FOUND, "there is no order with this id" if moment is None else f"there was no such order {moment}"
        )
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


def _moment(version: int | None, as_of: datetime | None) -> Moment | None:
    if version is not None and as_of is not None:
        raise invalid_parameter("as_of", "can not be combined with version: ask for one of them")
    if version is not None:
        return AtVersion(version)
    return None if as_of is None else AsOf(as_of)


async def _order(snapshot: ReadSnapshot, *, order_id: str, moment: Moment | None) -> OrderView | None:
    known = uuid_or_none(order_id)
    if known is None:
        return None
    if moment is None:
        row: object = await queries.find_order(snapshot, known)
    else:
        row = _as_it_was(await queries.find_history(snapshot, known), moment)
    parked = await parked_tables(snapshot.connection, snapshot.schema, known)
    if row is None:
        _not_there(parked)
        return None
    view = OrderView.model_validate(row)
    return view.model_copy(update={"parked": parked}) if parked else view


def _not_there(parked: Sequence[str]) -> None:
    """Raise a Problem when the order is not unknown, but its creation could not be taken and is parked."""
    if ORDER_DETAILS_TABLE.name in parked:
        detail = "the read model could not take this order's records and holds them back: see `./orders projections parked`"
        raise Problem(Code.READ_MODEL_BEHIND, detail, headers={"Retry-After": "30"}, parked=list(parked))


def _as_it_was(history: Sequence[HistoryEntry], moment: Moment) -> OrderDetails | None:
    try:
        return order_at(history, moment)
    except NewerSchema as error:
        raise Problem(Code.REBUILDING, str(error), headers={"Retry-After": "2"}) from error


async def _history(snapshot: ReadSnapshot, *, order_id: str) -> bytes | None:
    known = uuid_or_none(order_id)
    entries = await queries.find_history(snapshot, known) if known else ()
    if not entries:
        return None
    appended = await queries.find_appended(snapshot, [UUID(orjson.loads(entry.envelope)["command_id"]) for entry in entries])
    items = [_history_item(snapshot, entry, appended.get((entry.partition, entry.record_offset))) for entry in entries]
    parked = await parked_tables(snapshot.connection, snapshot.schema, entries[0].order_id)
    told = f',"parked":{orjson.dumps(parked).decode()}' if parked else ""
    return ('{"items":[' + ",".join(items) + f"]{told}}}").encode()


def _history_item(snapshot: ReadSnapshot, entry: HistoryEntry, appended_ms: int | None) -> str:
    # The envelope is passed on as it stands in the log; what only its place there can tell is added behind it.
    appended_at = None if appended_ms is None else log_time(appended_ms)
    more = {
        "position": snapshot.token_after(entry.partition, entry.record_offset),
        **({} if appended_at is None else {"appended_at": appended_at}),
    }
    return f"{entry.envelope.rstrip().removesuffix('}')},{orjson.dumps(more, option=orjson.OPT_UTC_Z).decode().removeprefix('{')}"


async def _customer(snapshot: ReadSnapshot, *, customer_id: str) -> CustomerView | None:
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
