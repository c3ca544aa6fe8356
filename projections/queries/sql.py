"""The queries, as SQL on one snapshot. Each returns what it found; what an absence means, the API says."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from struct import Struct, error
from typing import Any, Literal, Self
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row, dict_row

from event_schemas.positions import Position
from projections.queries.read_snapshot import ReadSnapshot
from projections.store.parked import parked_tables
from projections.tables import command_outcomes, customer_summaries, order_details, order_history
from projections.tables import daily_sales as daily_sales_table
from projections.tables.exact_sums import decimal_text, plus
from projections.tables.order_history import HistoryEntry

_PACKED = Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OrderStatus = Literal["created", "shipped", "cancelled"]

_ORDER = "select {columns} from {table} where order_id = %s"
_LIST = "select {columns} from {table} where {conditions} order by ordered_at desc, order_id limit %(limit)s"
_HISTORY = "select {columns} from {table} where order_id = %s order by record_offset"
_APPENDED = "select partition, record_offset, appended_ms from {table} where command_id = any(%s)"
_CUSTOMER = "select orders, cancelled, units, totals from {table} where customer_id = %s"
_SALES = """
select day, currency, sum(orders)::bigint as orders, sum(units)::bigint as units, sum(revenue) as revenue
from {table}
where day >= coalesce(%(first)s, '-infinity'::date) and day <= coalesce(%(last)s, 'infinity'::date)
group by day, currency having sum(orders) <> 0
order by day, currency
"""


class NoCursor(ValueError):
    """The text is no cursor."""


@dataclass(frozen=True)
class Cursor:
    """The last order of a page; the next page has those that come after it."""

    ordered_at: datetime
    order_id: UUID

    def token(self) -> str:
        """The cursor as clients see it."""
        since = self.ordered_at - _EPOCH
        microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return urlsafe_b64encode(_PACKED.pack(microseconds, self.order_id.bytes)).decode()

    @classmethod
    def parse(cls, token: str) -> Self:
        """Read a cursor. Raises NoCursor when the text is none."""
        try:
            microseconds, raw = _PACKED.unpack(urlsafe_b64decode(token.encode("ascii")))
            cursor = cls(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=raw))
        except (ValueError, OverflowError, error) as problem:
            raise NoCursor("is no cursor: take it from `next_cursor` as it is") from problem
        if cursor.token() != token:
            raise NoCursor("is no cursor: take it from `next_cursor` as it is")
        return cursor


@dataclass(frozen=True)
class OrderFilter:
    """Which orders a list shows; None filters nothing. `after`: only those behind this place in the list."""

    customer_id: str | None
    status: OrderStatus | None
    after: Cursor | None
    limit: int


@dataclass(frozen=True)
class CustomerTotals:
    """A customer's orders over all partitions."""

    orders: int
    cancelled: int
    units: int
    totals: dict[str, str]


@dataclass(frozen=True)
class SalesDay:
    """One day's sales in one currency over all partitions."""

    day: date
    currency: str
    orders: int
    units: int
    revenue: Decimal


async def find_order(snapshot: ReadSnapshot, order_id: UUID) -> dict[str, Any] | None:
    """The order's row."""
    async with snapshot.connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(snapshot.on(_ORDER, order_details.TABLE), (order_id,))).fetchone()


async def list_orders(snapshot: ReadSnapshot, wanted: OrderFilter) -> list[dict[str, Any]]:
    """Rows newest `ordered_at` first, then by id; one more than the limit when there are more."""
    conditions = [sql.SQL("true")]
    if wanted.customer_id is not None:
        conditions.append(sql.SQL("customer_id = %(customer_id)s"))
    if wanted.status is not None:
        conditions.append(sql.SQL("status = %(status)s"))
    if wanted.after is not None:
        # Two conditions, so that the index finds the beginning of the page.
        conditions.append(sql.SQL("ordered_at <= %(ordered_at)s and (ordered_at < %(ordered_at)s or order_id > %(order_id)s)"))
    parameters = {
        "customer_id": wanted.customer_id,
        "status": wanted.status,
        "ordered_at": wanted.after and wanted.after.ordered_at,
        "order_id": wanted.after and wanted.after.order_id,
        "limit": wanted.limit + 1,
    }
    async with snapshot.connection.cursor(row_factory=dict_row) as cursor:
        statement = snapshot.on(_LIST, order_details.TABLE, conditions=sql.SQL(" and ").join(conditions))
        return await (await cursor.execute(statement, parameters)).fetchall()


async def find_history(snapshot: ReadSnapshot, order_id: UUID) -> Sequence[HistoryEntry]:
    """The order's records, rejections too, in the order of the log."""
    async with snapshot.connection.cursor(row_factory=class_row(HistoryEntry)) as cursor:
        return await (await cursor.execute(snapshot.on(_HISTORY, order_history.TABLE), (order_id,))).fetchall()


async def find_complete_history(snapshot: ReadSnapshot, *, order_id: UUID, partition: int) -> tuple[Sequence[HistoryEntry] | None, str]:
    """The order's records, None while one of them is parked; and the position up to which the read models hold its partition."""
    held = Position.of(snapshot.identity, {partition: snapshot.next_offsets.get(partition, 0)}).token()
    parked = await parked_tables(snapshot.connection, snapshot.schema, order_id)
    return None if order_history.TABLE.name in parked else await find_history(snapshot, order_id), held


async def find_appended(snapshot: ReadSnapshot, command_ids: Sequence[UUID]) -> Mapping[tuple[int, int], int]:
    """When the log took in the records in which these commands ended, in milliseconds since 1970, by partition and offset."""
    async with snapshot.connection.cursor() as cursor:
        rows = await (await cursor.execute(snapshot.on(_APPENDED, command_outcomes.TABLE), (list(command_ids),))).fetchall()
    return {(partition, offset): appended_ms for partition, offset, appended_ms in rows}


async def find_customer(snapshot: ReadSnapshot, customer_id: str) -> CustomerTotals | None:
    """The customer's sums."""
    async with snapshot.connection.cursor() as cursor:
        rows = await (await cursor.execute(snapshot.on(_CUSTOMER, customer_summaries.TABLE), (customer_id,))).fetchall()
    if not rows:
        return None
    orders: dict[str, int] = {}
    totals: dict[str, Decimal] = {}
    for _, _, _, sums in rows:
        for currency, part in sums.items():
            orders[currency] = orders.get(currency, 0) + part["orders"]
            totals[currency] = plus(totals.get(currency, Decimal(0)), Decimal(part["total"]))
    texts = {currency: decimal_text(totals[currency]) for currency in sorted(totals) if orders[currency]}
    return CustomerTotals(sum(row[0] for row in rows), sum(row[1] for row in rows), sum(row[2] for row in rows), texts)


async def daily_sales(snapshot: ReadSnapshot, *, first: date | None, last: date | None) -> list[SalesDay]:
    """Sales per day and currency from `first` to `last`, both included."""
    async with snapshot.connection.cursor(row_factory=class_row(SalesDay)) as cursor:
        return await (await cursor.execute(snapshot.on(_SALES, daily_sales_table.TABLE), {"first": first, "last": last})).fetchall()
