"""Poison: what a fold can't take parks its order in that table, and nothing else; it is listed, retried and discarded, in order."""

from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal

import httpx
import psycopg
import pytest

from event_schemas.positions import LogIdentity
from gateway.app import create_app
from infra.postgres.connections import connection_arguments, new_snapshot_pool
from infra.process.health import Health
from projections.api import create_query_router
from projections.queries.read_models import ReadModels
from projections.rebuild import rebuild
from projections.rebuild.choice import OperationRefused
from projections.rebuild.promotion import Promoter
from projections.rebuild.workers import RebuildStopped, _fill_all
from projections.rebuild.writer import Poison
from projections.tables import daily_sales, order_details
from projections.verification.parked_retry import discard, retry
from tests.integration.projections.conftest import FIRST, FakeLogEnd
from tests.integration.projections.rebuild_kit import PARTITIONS
from tests.support.records import cancelled, created, shipped

SECOND = "projections_2"
BAD = "T-bad"


@pytest.fixture
def poison() -> Iterator[Callable[..., None]]:
    """Makes a table's fold raise for the records that a test names."""
    real = {}

    def make(table, bad) -> None:
        definition = table.TABLE
        real.setdefault(definition, definition.evolve)

        def evolve(row, counted):
            if bad(counted.record):
                raise ValueError("no room\nfor it")
            return real[definition](row, counted)

        object.__setattr__(definition, "evolve", evolve)

    make.heal = lambda: [object.__setattr__(definition, "evolve", evolve) for definition, evolve in real.items()]
    yield make
    make.heal()


def is_bad(record) -> bool:
    return getattr(record.data, "tracking_number", None) == BAD


async def settle(stand, how, order, **more):
    async with await psycopg.AsyncConnection.connect(**connection_arguments(stand.settings, "test"), autocommit=True) as connection:
        return await how(connection, order.order_id, **more)


def parked(stand, schema=FIRST):
    return stand.database.all(
        f"select table_name, order_id, state, reason from {schema}.parked order by partition, record_offset, table_name"
    )


def details(stand, schema=FIRST):
    return {row[0]: (row[1], row[2]) for row in stand.database.all(f"select order_id, version, status from {schema}.order_details")}


@pytest.fixture
async def story(stand, poison):
    """An order whose second record can't be folded into order_details, with a third behind it; and one that is well."""
    poison(order_details, is_bad)
    order, other = created(), created(customer_id="bob")
    await stand.append([order, other, shipped(order.order_id, tracking_number=BAD)])
    await stand.follow()
    await stand.append([cancelled(order.order_id, version=3), shipped(other.order_id)])
    await stand.follow()
    return order, other


async def test_the_order_waits_in_that_table_and_everything_else_flows(stand, story):
    order, other = story
    assert parked(stand) == [
        ("order_details", order.order_id, "poison", "ValueError: no room?for it"),
        ("order_details", order.order_id, "waiting", None),
    ]
    assert details(stand) == {order.order_id: (1, "created"), other.order_id: (2, "shipped")}
    assert len(stand.database.rows("order_history")) == 5
    assert sum(stand.database.next_offsets().values()) == 5
    findings, _ = await stand.verify()
    assert (findings.drifts, findings.parked_orders) == ([], 1)


async def test_what_is_parked_survives_a_restart_and_what_comes_later_waits_too(stand, story, poison):
    order, _ = story
    poison.heal()  # not by itself: an operator looks first
    await stand.append([shipped(order.order_id, version=4)])
    await stand.follow()
    assert [state for _, _, state, _ in parked(stand)] == ["poison", "waiting", "waiting"]
    assert details(stand)[order.order_id] == (1, "created")


async def test_retry_folds_what_waits_in_order_once_the_fold_is_mended(stand, story, poison):
    order, _ = story
    (again,) = await settle(stand, retry, order)
    assert (again.folded, again.left, again.reason) == (0, 2, "ValueError: no room?for it")
    assert len(parked(stand)) == 2

    poison.heal()
    (done,) = await settle(stand, retry, order)
    assert (done.table, done.folded, done.left) == ("order_details", 2, 0)
    assert details(stand)[order.order_id] == (3, "cancelled")
    assert parked(stand) == []
    assert stand.database.all(f"select tracking_number from {FIRST}.order_details where order_id = %s", order.order_id) == [(BAD,)]
    assert (await stand.verify())[0].drifts == []
    with pytest.raises(OperationRefused, match="no record of order"):
        await settle(stand, retry, order)


async def test_discard_gives_up_one_record_and_folds_what_waits(stand, story):
    order, _ = story
    (done,) = await settle(stand, discard, order)
    assert (done.folded, done.discarded, done.left) == (1, 1, 0)
    assert details(stand)[order.order_id] == (3, "cancelled")
    assert [state for _, _, state, _ in parked(stand)] == ["discarded"]
    assert (await stand.verify())[0].drifts == []
    await stand.append([shipped(order.order_id, version=4)])
    await stand.follow()
    assert details(stand)[order.order_id] == (4, "shipped")


async def test_an_orders_records_are_held_back_from_sums_too(stand, poison):
    poison(daily_sales, lambda record: getattr(record.data, "total", None) == "13.00")
    order, other = created(unit_price="13.00", quantity=1), created(unit_price="5.00", quantity=1)
    await stand.append([order, other, cancelled(order.order_id)])
    await stand.follow()

    assert sum(row[3] for row in stand.database.rows("daily_sales")) == 1
    assert sum(row[5] for row in stand.database.rows("daily_sales")) == Decimal("5.00")
    assert [state for _, _, state, _ in parked(stand)] == ["poison", "waiting"]
    poison.heal()
    await settle(stand, retry, order)
    assert (await stand.verify())[0].drifts == []


async def test_parked_records_that_were_changed_by_hand_are_found_and_repaired(stand, story):
    right = parked(stand)
    stand.database.run(f"delete from {FIRST}.parked where state = 'waiting'")
    drifts = (await stand.verify(repair=True))[0].drifts
    assert [(one.table, one.kind) for one in drifts] == [("parked", "missing")]
    assert parked(stand) == right
    changes = {
        "value": "'x'",
        "order_id": "gen_random_uuid()",
        "appended_ms": "appended_ms + 1",
        "command_offset": "command_offset + 1",
    }
    for column, value in changes.items():
        stand.database.run(f"update {FIRST}.parked set {column} = {value} where state = 'waiting'")
        drifts = (await stand.verify(repair=True))[0].drifts
        assert [(one.kind, [field.name for field in one.fields]) for one in drifts] == [("changed", [column])]
        assert parked(stand) == right
    assert (await stand.verify())[0].drifts == []


class InlineFleet:
    """The rebuild's workers in this process, where folds can be poisoned."""

    def __init__(self, share, workers, reached) -> None:
        self.share, self.reached = share, reached

    async def run(self, tick) -> None:
        try:
            await _fill_all(self.share, self.reached)
        except Poison as error:
            raise RebuildStopped(str(error)) from error


async def test_poison_stops_a_rebuild_unless_it_is_to_be_skipped(stand, story, poison, monkeypatch):
    assert story
    monkeypatch.setattr(rebuild, "Fleet", InlineFleet)
    with pytest.raises(RebuildStopped, match=r"order_details: ValueError.*--skip-poison"):
        await stand.rebuild()
    assert stand.database.all("select problem is not null, phase from projections.rebuilds") == [(True, "stopped")]

    assert await stand.rebuild(skip_poison=True) == SECOND
    assert parked(stand, SECOND) == parked(stand)
    assert stand.database.everything(SECOND) == stand.database.everything()
    done = await Promoter(stand.settings, lambda _: None).promote(None, accept_differences=False)
    assert all(one.equal for one in done.compared)


async def test_what_was_discarded_does_not_stop_a_rebuild(stand, story, monkeypatch):
    order, _ = story
    monkeypatch.setattr(rebuild, "Fleet", InlineFleet)
    await settle(stand, discard, order)
    await stand.rebuild()
    assert [state for _, _, state, _ in parked(stand, SECOND)] == ["discarded"]
    assert details(stand, SECOND) == details(stand)


@pytest.fixture
async def client(stand) -> AsyncIterator[httpx.AsyncClient]:
    reads = ReadModels(stand.settings, new_snapshot_pool(stand.settings, "test-reads", max_size=2), FakeLogEnd(LogIdentity(PARTITIONS)))
    await reads.start()
    app = create_app(Health("gateway"), [create_query_router(reads)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://orders") as made:
        yield made
    await reads.stop()


async def test_reads_of_a_parked_order_say_so(stand, story, client, poison):
    order, other = story
    assert (await client.get(f"/orders/{order.order_id}")).json()["parked"] == ["order_details"]
    assert "parked" not in (await client.get(f"/orders/{other.order_id}")).json()
    ship = stand.database.all(f"select command_id from {FIRST}.command_outcomes where order_id = %s and version = 2", order.order_id)[0][0]
    states = (await client.get(f"/commands/{ship}")).json()["projections"]
    assert states == dict.fromkeys(states, "visible") | {"order_details": "parked"}
    placed = (await client.get(f"/commands/{order.command_id}")).json()["projections"]
    assert set(placed.values()) == {"visible"}


async def test_an_order_whose_creation_is_parked_is_not_said_to_be_unknown(stand, client, poison):
    poison(order_details, lambda record: record.type == "OrderCreated")
    order = created()
    await stand.append([order])
    await stand.follow()
    answer = await client.get(f"/orders/{order.order_id}")
    assert (answer.status_code, answer.json()["code"], answer.json()["parked"]) == (503, "read_model_behind", ["order_details"])
