"""The query API on a real PostgreSQL: answers, freshness, refusals."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from msgspec.structs import replace

from event_schemas.positions import LogIdentity, Position
from gateway.app import create_app
from infra.process.health import Health
from projections.api import create_query_router
from projections.tables.registry import FOLD_VERSION
from tests.integration.projections.conftest import FIRST
from tests.support.fetched import fetched_run
from tests.support.records import NOON, cancelled, created, rejected, shipped
from tests.support.service_process import eventually

PROBLEM = "application/problem+json"


@pytest.fixture
async def client(reads) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Health("gateway"), [create_query_router(reads)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://orders") as made:
        yield made


def _refused(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.headers["content-type"] == PROBLEM
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    return answer.json()


async def test_an_order(worker, client):
    order = created(unit_price="0.0001", quantity=100_000)
    await worker.projector.handle({0: fetched_run([order, shipped(order.order_id)])})

    answer = await client.get(f"/orders/{order.order_id}")

    assert answer.headers["etag"] == '"2"'
    assert answer.headers["orders-lag"] == "0"
    assert answer.json() == {
        "order_id": str(order.order_id),
        "customer_id": "ada",
        "status": "shipped",
        "currency": "EUR",
        "lines": [{"sku": "tea", "quantity": 100_000, "unit_price": "0.0001"}],
        "units": 100_000,
        "total": "10.0000",
        "version": 2,
        "ordered_at": "2026-01-31T12:00:00Z",
        "tracking_number": "T-1",
        "shipped_at": "2026-01-31T12:00:00Z",
    }


async def test_an_orders_events_are_the_logs_own_text_with_positions_rejections_too(worker, client, database):
    order = created()
    story = [order, rejected(order.order_id, version=1), shipped(order.order_id)]
    await worker.projector.handle({1: fetched_run(story, partition=1)})

    items = (await client.get(f"/orders/{order.order_id}/events")).json()["items"]

    assert [item["type"] for item in items] == ["OrderCreated", "CommandRejected", "OrderShipped"]
    assert [Position.parse(item["position"]).next_offsets for item in items] == [{1: 1}, {1: 2}, {1: 3}]
    without = [{name: value for name, value in item.items() if name not in {"position", "appended_at"}} for item in items]
    assert without == [orjson.loads(record.encoded()) for record in story]


_NO_ONE = "5f7d6f0a-93f1-4e7e-8f0a-0c6f5d3b2a11"


@pytest.mark.parametrize("unknown", [_NO_ONE, "nope", _NO_ONE.upper(), "%00", "0", "{" + _NO_ONE + "}"])
async def test_what_is_not_there_is_404_and_says_how_fresh_that_is(worker, client, unknown):
    for path, code in (
        (f"/orders/{unknown}", "order_not_found"),
        (f"/orders/{unknown}/events", "order_not_found"),
        (f"/commands/{unknown}", "command_unknown"),
        (f"/customers/{unknown}", "customer_not_found"),
    ):
        answer = await client.get(path)
        _refused(answer, 404, code)
        assert Position.parse(answer.headers["orders-position"]).next_offsets == {0: 0, 1: 0, 2: 0}
    assert "may be pending" in (await client.get(f"/commands/{uuid4()}")).json()["detail"]


async def test_outcomes_of_commands(worker, client):
    order = created()
    refusal = rejected(order.order_id, version=1)
    await worker.projector.handle({0: fetched_run([order, refusal])})

    accepted = (await client.get(f"/commands/{order.command_id}")).json()
    assert (accepted["status"], accepted["type"], accepted["version"], accepted["order_id"]) == (
        "accepted",
        "CreateOrder",
        1,
        str(order.order_id),
    )
    assert set(accepted["projections"].values()) == {"visible"}
    assert "code" not in accepted
    refused = (await client.get(f"/commands/{refusal.command_id}")).json()
    assert (refused["status"], refused["code"], refused["detail"], refused["version"]) == ("rejected", "order_not_found", "not so", 1)
    assert Position.parse(refused["position"]).next_offsets == {0: 2}


async def test_paging_gives_each_order_once_newest_first(worker, client):
    orders = []
    for number in range(500):
        order = created(UUID(int=number * 7919 % 500), customer_id=f"c{number % 3}")
        # Five orders a moment: the order of ids decides among them, across pages too.
        data = replace(order.data, ordered_at=NOON + timedelta(minutes=number // 5))
        orders.append(replace(order, data=data))
    await worker.projector.handle({0: fetched_run(orders[:250]), 1: fetched_run(orders[250:], partition=1)})

    async def paged(**wanted: str) -> list[str]:
        ids: list[str] = []
        page = (await client.get("/orders", params={"limit": 37, **wanted})).json()
        while True:
            ids += [item["order_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return ids
            page = (await client.get("/orders", params={"limit": 37, "cursor": page["next_cursor"], **wanted})).json()

    def expected(**wanted: str) -> list[str]:
        chosen = [order for order in orders if order.data.customer_id == wanted.get("customer_id", order.data.customer_id)]
        return [str(order.order_id) for order in sorted(chosen, key=lambda o: (-o.data.ordered_at.timestamp(), o.order_id))]

    assert await paged() == expected()
    assert await paged(customer_id="c1") == expected(customer_id="c1")
    assert await paged(status="created", customer_id="c2") == expected(customer_id="c2")
    assert await paged(status="shipped") == []
    assert len((await client.get("/orders")).json()["items"]) == 50


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "x"),
        ("status", "lost"),
        ("cursor", "x"),
        ("cursor", ""),
        ("customer_id", ""),
        ("customer_id", "a\0b"),
        ("customer_id", "x" * 201),
        ("position", "x"),
        ("position", "c.AAA"),
    ],
)
async def test_a_parameter_of_no_use_is_named(worker, client, parameter, value):
    problem = _refused(await client.get("/orders", params={parameter: value}), 422, "validation_failed")
    assert problem["errors"][0]["parameter"] == parameter
    assert parameter in problem["detail"]


async def test_unknown_parameters_are_ignored(worker, client):
    assert (await client.get("/orders", params={"colour": "red"})).status_code == 200


async def test_a_customer_over_all_partitions(worker, client):
    kept, taken_back, other = created(), created(), created(quantity=1, unit_price="0.0001")
    await worker.projector.handle(
        {0: fetched_run([kept, taken_back, cancelled(taken_back.order_id)]), 2: fetched_run([other], partition=2)}
    )
    assert (await client.get("/customers/ada")).json() == {
        "customer_id": "ada",
        "orders": 3,
        "cancelled": 1,
        "units": 3,
        "totals": {"EUR": "9.0001"},
    }


async def test_sales_over_all_partitions_leave_out_what_was_cancelled(worker, client):
    taken_back = created()
    await worker.projector.handle(
        {0: fetched_run([created(), taken_back, cancelled(taken_back.order_id)]), 1: fetched_run([created()], partition=1)}
    )
    day = {"day": "2026-01-31", "currency": "EUR", "orders": 2, "units": 4, "revenue": "18.00"}
    for wanted, items in (
        ({}, [day]),
        ({"from": "2026-01-31", "to": "2026-01-31"}, [day]),
        ({"from": "2026-02-01"}, []),
        ({"to": "2026-01-30"}, []),
    ):
        assert (await client.get("/sales", params=wanted)).json() == {"items": items}
    for value in ("1769860800", "2026-02-30", "yesterday", "2026-1-1"):
        _refused(await client.get("/sales", params={"from": value}), 422, "validation_failed")


async def test_a_day_whose_orders_are_all_cancelled_is_left_out(worker, client):
    order = created()
    await worker.projector.handle({0: fetched_run([order, cancelled(order.order_id)])})
    assert (await client.get("/sales")).json() == {"items": []}


async def test_before_the_first_generation_it_says_so_and_never_answers_empty(client):
    for path in ("/sales", "/orders", "/customers/ada", f"/orders/{uuid4()}", f"/commands/{uuid4()}"):
        answer = await client.get(path)
        _refused(answer, 503, "rebuilding")
        assert answer.headers["retry-after"]


async def test_read_models_of_another_release_are_not_read(worker, client, database):
    database.run("update projections.generations set fold_version = 99")
    _refused(await client.get("/sales"), 503, "rebuilding")


async def test_a_read_waits_for_its_position(worker, client):
    order = created()
    await worker.projector.handle({0: fetched_run([order])})
    token = (await client.get("/sales")).headers["orders-position"]
    identity = Position.parse(token)
    wanted = Position(identity.partitions, {0: 2}, identity.digest).token()

    reading = asyncio.create_task(client.get(f"/orders/{order.order_id}", params={"position": wanted}))
    await asyncio.sleep(0.2)
    assert not reading.done()
    await worker.projector.handle({0: fetched_run([shipped(order.order_id)], start=1)})
    assert (await reading).json()["status"] == "shipped"


async def test_a_position_that_does_not_come_is_answered_with_the_lag(worker, client, log_end, monkeypatch):
    monkeypatch.setattr("projections.queries.read_models.WAIT_S", 0.3)
    await worker.projector.handle({0: fetched_run([created()])})
    held = Position.parse((await client.get("/sales")).headers["orders-position"])
    log_end.lag = 12.5

    answer = await client.get("/sales", params={"position": Position(3, {0: 9}, held.digest).token()})

    assert _refused(answer, 503, "read_model_behind")["lag_seconds"] == 12.5
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["orders-lag"] == "12.5"


async def test_a_position_of_another_log_is_refused(worker, client):
    await worker.projector.handle({0: fetched_run([created()])})
    foreign = Position.of(LogIdentity(3, {0: b"another first record"}), {0: 1}).token()
    problem = _refused(await client.get("/sales", params={"position": foreign}), 422, "validation_failed")
    assert problem["errors"][0]["parameter"] == "position"


async def test_a_thousand_waits_cost_one_poller_and_leave_nothing(worker, reads, client, monkeypatch):
    # A thousand requests take a busy machine longer than a client's patience.
    monkeypatch.setattr("projections.queries.read_models.WAIT_S", 60.0)
    monkeypatch.setattr("projections.queries.read_models.ANSWER_S", 60.0)
    await worker.projector.handle({0: fetched_run([created()])})
    held = Position.parse((await client.get("/sales")).headers["orders-position"])
    wanted = Position(3, {0: 2}, held.digest).token()
    waiting = [asyncio.create_task(client.get("/sales", params={"position": wanted})) for _ in range(1000)]

    async def all_wait() -> bool:
        return len(reads._watch._waiters) == len(waiting)

    await eventually(all_wait, 60)
    for task in waiting[::2]:
        task.cancel()
    await worker.projector.handle({0: fetched_run([created()], start=1)})

    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(answer.json()["items"][0]["orders"] == 2 for answer in answers[1::2])
    assert reads._watch._waiters == {}
    await asyncio.sleep(0.1)
    assert reads._watch._poller.done()


async def test_rows_and_position_of_an_answer_are_of_one_moment(worker, client):
    """Each record adds one order: an answer whose sums and position disagree would have looked twice."""

    async def write() -> None:
        for number in range(150):
            await worker.projector.handle({0: fetched_run([created()], start=number)})

    writing = asyncio.create_task(write())
    looks = 0
    while not writing.done():
        answer = await client.get("/sales")
        orders = sum(item["orders"] for item in answer.json()["items"])
        assert orders == Position.parse(answer.headers["orders-position"]).next_offsets[0]
        looks += 1
    await writing
    assert looks > 20


async def test_a_promotion_shows_no_reader_a_mixture(worker, client, database):
    """The pointer moves while readers read: each answer is all of one generation, and none is an error."""
    await worker.projector.handle({0: fetched_run([created()])})
    database.run("create schema projections_2")
    for table in ("order_details", "order_history", "customer_summaries", "daily_sales", "command_outcomes", "checkpoints", "parked"):
        database.run(f"create table projections_2.{table} (like {FIRST}.{table} including all)")
        database.run(f"insert into projections_2.{table} select * from {FIRST}.{table}")
    database.run("update projections_2.daily_sales set orders = 7")
    database.run(f"insert into projections.generations values ('projections_2', {FOLD_VERSION}, 3, 'live')")

    answers = []
    for number in range(60):
        if number == 30:
            database.run("update projections.live set schema = 'projections_2'")
            database.run(f"drop schema {FIRST} cascade")
        answers.append(await client.get("/sales"))

    assert [answer.json()["items"][0]["orders"] for answer in answers] == [1] * 30 + [7] * 30


async def test_money_has_no_exponent_whatever_its_size(worker, client):
    await worker.projector.handle({0: fetched_run([created(unit_price="1000000000", quantity=100_000), created(unit_price="0.0000")])})
    revenue = (await client.get("/sales")).json()["items"][0]["revenue"]
    assert "E" not in revenue
    assert Decimal(revenue) == Decimal(10) ** 14
