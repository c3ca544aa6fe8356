"""Whatever a worker is handed, split and repeated anywhere, its rows are those of the log folded once in order."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from event_schemas.events import OrderCancelled, OrderCreated, OrderedLine
from event_schemas.recorded import RecordedMessage, classify
from projections.live.runs import run_at
from projections.store.checkpoints import Checkpoint
from projections.tables.registry import TABLES
from tests.support.fetched import fetched
from tests.support.records import cancelled, created, rejected, shipped

Tables = dict[str, dict[tuple, object]]
CUSTOMERS, CURRENCIES = ["ada", "bob"], ["EUR", "JPY"]
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def apply(tables: Tables, counted: list[RecordedMessage]) -> None:
    for definition in TABLES:
        rows = tables[definition.name]
        for record in counted:
            key = definition.key_of(record)
            if key is not None:
                row = definition.evolve(rows.get(key), record)
                if row is not None:
                    rows[key] = row


def _order(number, *, customer, currency, price, quantity, hours):
    ordered_at = EPOCH + timedelta(hours=hours)
    data = OrderCreated(
        customer_id=customer,
        currency=currency,
        lines=(OrderedLine(sku="tea", quantity=quantity, unit_price=str(price)),),
        units=quantity,
        total=str(price * quantity),
        ordered_at=ordered_at,
    )
    return replace(created(UUID(int=number), command_id=UUID(int=1000 + number)), data=data)


def _cancelled(order, number):
    data = order.data
    told = OrderCancelled(
        customer_id=data.customer_id,
        reason="twice",
        cancelled_at=EPOCH,
        ordered_at=data.ordered_at,
        currency=data.currency,
        units=data.units,
        total=data.total,
    )
    return replace(cancelled(order.order_id, command_id=UUID(int=2000 + number)), data=told)


@st.composite
def logs(draw):
    """One partition's log: orders, some of which are shipped, cancelled or refused, with garbage and void records between them."""
    values: list = []
    orders = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["create", "create", "create", "ship", "cancel", "reject", "garbage", "void"]))
        if kind == "create" or (not orders and kind in ("ship", "cancel")):
            order = _order(
                number,
                customer=draw(st.sampled_from(CUSTOMERS)),
                currency=draw(st.sampled_from(CURRENCIES)),
                price=Decimal(draw(st.integers(0, 10**13))).scaleb(-4),
                quantity=draw(st.integers(1, 100_000)),
                hours=draw(st.integers(0, 60)),
            )
            orders.append(order)
            values.append((order, None))
        elif kind in ("ship", "cancel"):
            order = orders.pop(draw(st.integers(0, len(orders) - 1)))
            command_id = UUID(int=2000 + number)
            values.append((shipped(order.order_id, command_id=command_id) if kind == "ship" else _cancelled(order, number), None))
        elif kind == "reject":
            values.append((rejected(command_id=UUID(int=2000 + number)), None))
        elif kind == "garbage":
            values.append((b"junk", None))
        else:
            values.append((created(), 10**6))
    return [fetched(value, offset, place=place) for offset, (value, place) in enumerate(values)]


def once_in_order(log) -> Tables:
    tables: Tables = defaultdict(dict)
    apply(tables, [verdict for verdict in map(classify, log) if isinstance(verdict, RecordedMessage)])
    return tables


@given(st.data())
def test_split_and_repeated_anywhere_it_folds_to_the_same_rows(data):
    log = data.draw(logs())
    slices = data.draw(st.lists(st.tuples(st.integers(0, len(log)), st.integers(0, len(log))), max_size=8))
    tables: Tables = defaultdict(dict)
    checkpoint = Checkpoint(0, 0)
    for start, end in [*slices, (0, len(log))]:
        run = run_at(checkpoint, log[start:end])
        apply(tables, list(run.counted))
        checkpoint = run.checkpoint

    assert checkpoint.next_offset == len(log)
    assert tables == once_in_order(log)


@given(logs())
def test_sums_equal_those_of_the_orders_that_were_not_cancelled(log):
    tables = once_in_order(log)
    kept = [row for row in tables["order_details"].values() if row.status != "cancelled"]

    revenue: dict = defaultdict(lambda: [0, 0, Decimal(0)])
    totals: dict = defaultdict(lambda: [0, defaultdict(Decimal)])
    for row in kept:
        day = revenue[(row.ordered_at.date(), row.currency)]
        day[0], day[1], day[2] = day[0] + 1, day[1] + row.units, day[2] + row.total
        customer = totals[row.customer_id]
        customer[0] += row.units
        customer[1][row.currency] += row.total

    sales = {(row.day, row.currency): [row.orders, row.units, row.revenue] for row in tables["daily_sales"].values() if row.orders}
    assert sales == dict(revenue)
    for row in tables["customer_summaries"].values():
        assert row.units == totals[row.customer_id][0]
        assert {currency: Decimal(sums["total"]) for currency, sums in row.totals.items()} == dict(totals[row.customer_id][1])
        assert row.orders == sum(1 for order in tables["order_details"].values() if order.customer_id == row.customer_id)
