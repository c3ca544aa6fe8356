"""The queries, as SQL on one snapshot. Each returns what it found; what an absence means, the API says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row, dict_row

from event_schemas.values import decimal_text
from projections.queries.cursors import Cursor
from projections.queries.read_snapshot import Snapshot
from projections.tables import command_outcomes, customer_summaries, order_details, order_history
from projections.tables import daily_sales as daily_sales_table
from projections.tables.command_outcomes import CommandOutcome
from projections.tables.exact_sums import plus
from projections.tables.order_history import HistoryEntry

OrderStatus = Literal["created", "shipped", "cancelled"]

_ORDER = "select {columns} from {table} where order_id = %s"
_LIST = "select {columns} from {table} where {conditions} order by ordered_at desc, order_id limit %(limit)s"
_HISTORY = "select {columns} from {table} where order_id = %s order by record_offset"
_APPENDED = "select partition, record_offset, appended_ms from {table} where command_id = any(%s)"
_OUTCOME = "select {columns} from {table} where command_id = %s"
_CUSTOMER = "select orders, cancelled, units, totals from {table} where customer_id = %s"
_SALES = """
select day, currency, sum(orders)::bigint as orders, sum(units)::bigint as units, sum(revenue) as revenue
from {table}
where day >= coalesce(%(first)s, '-infinity'::date) and day <= coalesce(%(last)s, 'infinity'::date)
group by day, currency having sum(orders) <> 0
order by day, currency
"""


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


async def find_order(snapshot: Snapshot, order_id: UUID) -> dict[str, Any] | None:
    """The order's row."""
    async with snapshot.connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(snapshot.on(_ORDER, order_details.TABLE), (order_id,))).fetchone()


async def list_orders(snapshot: Snapshot, wanted: OrderFilter) -> list[dict[str, Any]]:
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


async def find_history(snapshot: Snapshot, order_id: UUID) -> Sequence[HistoryEntry]:
    """The order's records, rejections too, in the order of the log."""
    async with snapshot.connection.cursor(row_factory=class_row(HistoryEntry)) as cursor:
        return await (await cursor.execute(snapshot.on(_HISTORY, order_history.TABLE), (order_id,))).fetchall()


async def find_appended(snapshot: Snapshot, command_ids: Sequence[UUID]) -> Mapping[tuple[int, int], int]:
    """When the log took in the records in which these commands ended, in milliseconds since 1970, by partition and offset."""
    async with snapshot.connection.cursor() as cursor:
        rows = await (await cursor.execute(snapshot.on(_APPENDED, command_outcomes.TABLE), (list(command_ids),))).fetchall()
    return {(partition, offset): appended_ms for partition, offset, appended_ms in rows}


async def find_outcome(snapshot: Snapshot, command_id: UUID) -> CommandOutcome | None:
    """What became of the command."""
    async with snapshot.connection.cursor(row_factory=class_row(CommandOutcome)) as cursor:
        return await (await cursor.execute(snapshot.on(_OUTCOME, command_outcomes.TABLE), (command_id,))).fetchone()


async def find_customer(snapshot: Snapshot, customer_id: str) -> CustomerTotals | None:
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


async def daily_sales(snapshot: Snapshot, *, first: date | None, last: date | None) -> list[SalesDay]:
    """Sales per day and currency from `first` to `last`, both included."""
    async with snapshot.connection.cursor(row_factory=class_row(SalesDay)) as cursor:
        return await (await cursor.execute(snapshot.on(_SALES, daily_sales_table.TABLE), {"first": first, "last": last})).fetchall()
