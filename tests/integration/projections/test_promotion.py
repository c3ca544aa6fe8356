"""Promotion: only what is equal takes over, in one step, with nothing missed, doubled or mixed; and there is a way back."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from event_schemas.positions import LogIdentity, Position
from gateway.app import create_app
from infra.postgres.connections import new_snapshot_pool
from infra.process.health import Health
from projections.api import create_query_router
from projections.queries.operations_api import create_operations_router
from projections.queries.read_models import ReadModels
from projections.rebuild.choice import OperationRefused, drop_generation
from projections.rebuild.promotion import Different, Promoter
from projections.tables.registry import FOLD_VERSION
from tests.integration.projections.conftest import FIRST, FakeLogEnd
from tests.integration.projections.rebuild_kit import PARTITIONS, some_records

SECOND = "projections_2"


@pytest.fixture
def promoter(stand) -> Promoter:
    return Promoter(stand.settings, lambda _: None)


def live(stand) -> str:
    return stand.database.all("select schema from projections.live")[0][0]


async def test_an_equal_generation_takes_over_and_the_old_one_can_come_back(stand, promoter):
    records = some_records(200)
    await stand.append(records[:200])
    await stand.follow()
    await stand.rebuild()
    await stand.append(records[200:240])
    await stand.follow()  # only the live one follows

    done = await promoter.promote(None, accept_differences=False)

    assert (done.from_schema, done.to_schema, live(stand)) == (FIRST, SECOND, SECOND)
    assert {one.table for one in done.compared if one.equal} >= {"order_details", "order_history", "daily_sales", "checkpoints", "parked"}
    assert all(one.equal for one in done.compared)
    assert stand.database.everything(SECOND) == stand.database.everything(FIRST)

    await stand.append(records[240:])
    await stand.follow()
    assert sum(stand.database.next_offsets(SECOND).values()) == len(records)
    assert sum(stand.database.next_offsets(FIRST).values()) == 240

    back = await promoter.promote(None, accept_differences=False, back=True)
    assert (back.to_schema, live(stand)) == (FIRST, FIRST)
    assert stand.database.everything(FIRST) == stand.database.everything(SECOND)
    assert (await promoter.promote(None, accept_differences=False, back=True)).to_schema == SECOND
    findings, _ = await stand.verify()
    assert findings.drifts == []


async def test_a_difference_stops_it_and_is_shown_unless_it_is_approved(stand, promoter):
    await stand.append(some_records(100))
    await stand.follow()
    await stand.rebuild()
    stand.database.run(f"update {SECOND}.order_details set total = total::text::numeric(30, 5) where ctid = '(0,1)'")
    stand.database.run(f"delete from {SECOND}.daily_sales where partition = 0 and currency = 'EUR'")

    with pytest.raises(Different) as different:
        await promoter.promote(None, accept_differences=False)

    assert live(stand) == FIRST
    unequal = {one.table: one for one in different.value.compared if not one.equal}
    assert set(unequal) == {"order_details", "daily_sales"}
    assert unequal["order_details"].samples[0].live != unequal["order_details"].samples[0].new
    assert unequal["daily_sales"].samples[0].new is None
    assert (unequal["daily_sales"].live_rows - unequal["daily_sales"].new_rows) == len(unequal["daily_sales"].samples)

    await promoter.promote(None, accept_differences=True)
    assert live(stand) == SECOND


async def test_a_row_that_goes_wrong_between_comparison_and_switch_stops_it(stand, promoter, monkeypatch):
    """The rows of the records that came in between are compared by their keys."""
    records = some_records(150)
    await stand.append(records[:140])
    await stand.follow()
    await stand.rebuild()
    compare = promoter._compare

    async def then_more(*arguments):
        compared = await compare(*arguments)
        await stand.append(records[140:])
        await stand.follow()
        stand.database.run(f"update {FIRST}.customer_summaries set units = units + 1")
        return compared

    monkeypatch.setattr(promoter, "_compare", then_more)
    with pytest.raises(Different) as different:
        await promoter.promote(None, accept_differences=False)
    assert [one.table for one in different.value.compared] == ["customer_summaries"]
    assert live(stand) == FIRST


async def test_what_can_not_take_over_is_refused_with_what_to_do(stand, promoter):
    await stand.append(some_records(20))
    await stand.follow()
    with pytest.raises(OperationRefused, match="rebuild"):
        await promoter.promote(None, accept_differences=False)
    with pytest.raises(OperationRefused, match="there is none to go back to"):
        await promoter.promote(None, accept_differences=False, back=True)
    with pytest.raises(OperationRefused, match="live generation already"):
        await promoter.promote(FIRST, accept_differences=False)
    await stand.rebuild()
    stand.database.run(f"update projections.generations set fold_version = {FOLD_VERSION + 1} where schema = '{SECOND}'")
    with pytest.raises(OperationRefused, match="use the release that made it"):
        await promoter.promote(SECOND, accept_differences=True)
    stand.database.run(f"update projections.generations set fold_version = {FOLD_VERSION}, state = 'building' where schema = '{SECOND}'")
    with pytest.raises(OperationRefused, match="not complete"):
        await promoter.promote(SECOND, accept_differences=True)
    assert live(stand) == FIRST


async def test_the_live_generation_can_not_be_dropped_and_others_can(stand, promoter):
    await stand.append(some_records(20))
    await stand.follow()
    await stand.rebuild()
    with pytest.raises(OperationRefused, match="is the live generation"):
        await drop_generation(stand.settings, FIRST)
    await promoter.promote(None, accept_differences=False)
    await drop_generation(stand.settings, FIRST)
    assert stand.database.all("select nspname from pg_namespace where nspname = %s", FIRST) == []
    assert stand.database.all("select schema from projections.generations") == [(SECOND,)]
    with pytest.raises(OperationRefused, match=r"none to go back to|there is no generation"):
        await promoter.promote(None, accept_differences=False, back=True)


async def test_read_models_of_another_log_are_replaced_only_with_approval(stand, promoter):
    await stand.append(some_records(30))
    await stand.follow()
    stand.database.run(f"update {FIRST}.checkpoints set next_offset = next_offset + 1000")
    await stand.rebuild()
    with pytest.raises(Different) as different:
        await promoter.promote(None, accept_differences=False)
    assert "the log ends at" in str(different.value.compared[0].note)
    await promoter.promote(None, accept_differences=True)
    assert live(stand) == SECOND


async def test_a_generation_of_new_folds_takes_over_from_old_workers(stand, promoter):
    """The old release's generation is live; this release rebuilds and takes over, and the old workers stop writing."""
    await stand.append(some_records(30))
    await stand.follow()
    stand.database.run(f"update projections.generations set fold_version = {FOLD_VERSION + 1} where schema = '{FIRST}'")
    await stand.rebuild()
    done = await promoter.promote(None, accept_differences=False)
    assert all(one.equal for one in done.compared)
    await stand.append(some_records(40)[33:])
    await stand.follow()
    assert sum(stand.database.next_offsets(SECOND).values()) > sum(stand.database.next_offsets(FIRST).values())


@pytest.fixture
async def client(stand) -> AsyncIterator[httpx.AsyncClient]:
    pool = new_snapshot_pool(stand.settings, "test-reads", max_size=4)
    reads = ReadModels(stand.settings, pool, FakeLogEnd(LogIdentity(PARTITIONS)))
    await reads.start()
    app = create_app(Health("gateway"), [create_query_router(reads), create_operations_router(pool)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://orders") as made:
        yield made
    await reads.stop()


async def test_under_load_every_read_is_of_one_generation_and_nothing_is_missed_or_doubled(stand, promoter, client):
    """Orders come in, readers read, and the pointer moves three times: sums and position of each answer agree."""
    records = [record for record in some_records(1500) if record.type == "OrderCreated"]
    await stand.append(records[:300])
    await stand.follow()
    done = asyncio.Event()
    answers = 0

    async def write() -> None:
        for start in range(300, len(records), 15):
            await stand.append(records[start : start + 15])
            await stand.follow()
            if done.is_set():
                return

    async def read() -> None:
        nonlocal answers
        while not done.is_set():
            answer = await client.get("/sales")
            assert answer.status_code == 200
            position = Position.parse(answer.headers["orders-position"])
            assert sum(item["orders"] for item in answer.json()["items"]) == sum(position.next_offsets.values())
            answers += 1
            await asyncio.sleep(0.005)

    writing, reading = asyncio.create_task(write()), asyncio.create_task(read())
    await stand.rebuild()
    for back in (False, True, True):
        promotion = await promoter.promote(None, accept_differences=False, back=back)
        assert all(one.equal for one in promotion.compared)
        assert promotion.held_s < 3
    done.set()
    await asyncio.gather(writing, reading)
    await stand.follow()

    assert answers > 20
    findings, _ = await stand.verify()
    assert findings.drifts == []


async def test_operations_endpoint_tells_the_generations_and_the_rebuild(stand, client):
    await stand.append(some_records(100))
    await stand.follow()
    await stand.rebuild()

    told = (await client.get("/operations/projections")).json()

    assert told["live"] == FIRST
    assert [(one["schema"], one["state"], one["records"]) for one in told["generations"]] == [
        (FIRST, "live", len(some_records(100))),
        (SECOND, "ready", len(some_records(100))),
    ]
    assert told["generations"][0]["rebuild"] is None
    rebuild = told["generations"][1]["rebuild"]
    assert (rebuild["phase"], rebuild["percent"], rebuild["problem"]) == ("done", 100.0, None)
