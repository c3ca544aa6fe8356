"""`GET /orders/{id}?version=`, `?as_of=` and the causes in `/orders/{id}/events`, on a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from gateway.app import create_app
from infra.process.health import Health
from projections.api import create_query_router
from tests.support.fetched import fetched_run
from tests.support.records import NOON, created, rejected, shipped


@pytest.fixture
async def client(reads) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Health("gateway"), [create_query_router(reads)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://orders") as made:
        yield made


@pytest.fixture
async def order(worker):
    """Placed at noon in version 1 of the schema, refused once, shipped an hour later."""
    placed = created()
    story = [
        placed.encoded().replace(b'"schema_version":2', b'"schema_version":1'),
        rejected(placed.order_id, version=1),
        shipped(placed.order_id, occurred_at=NOON + timedelta(hours=1)),
    ]
    await worker.projector.handle({0: fetched_run(story)})
    return placed


async def test_an_order_at_each_version(order, client):
    path = f"/orders/{order.order_id}"
    first = await client.get(path, params={"version": "1"})
    second = await client.get(path, params={"version": "2"})

    assert (first.headers["etag"], first.json()["status"], first.json()["version"]) == ('"1"', "created", 1)
    assert "tracking_number" not in first.json()
    assert first.headers["orders-position"] == second.headers["orders-position"]
    assert second.json() == (await client.get(path)).json()


@pytest.mark.parametrize(
    ("time", "version"),
    [
        ("2026-01-31T12:00:00Z", 1),
        ("2026-01-31T13:00:00+01:00", 1),
        ("2026-01-31T12:59:59.999999Z", 1),
        ("2026-01-31T13:00:00Z", 2),
        ("9999-12-31T00:00:00Z", 2),
    ],
)
async def test_an_order_as_of_a_time(order, client, time, version):
    assert (await client.get(f"/orders/{order.order_id}", params={"as_of": time})).json()["version"] == version
    # As people type it: to a URL the plus of an offset is a space.
    assert (await client.get(f"/orders/{order.order_id}?as_of={time}")).json()["version"] == version


@pytest.mark.parametrize("wanted", ["version=0", "version=3", "version=99999999999999999999", "as_of=2026-01-31T11:59:59.999Z"])
async def test_what_was_not_is_404(order, client, wanted):
    answer = await client.get(f"/orders/{order.order_id}?{wanted}")

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
    assert "there was no such order" in answer.json()["detail"]
    assert answer.headers["orders-position"]


@pytest.mark.parametrize("unknown", ["5f7d6f0a-93f1-4e7e-8f0a-0c6f5d3b2a11", "nope"])
@pytest.mark.parametrize("wanted", ["version=1", "as_of=2026-01-31T12:00:00Z"])
async def test_an_order_that_never_was_is_404(worker, client, unknown, wanted):
    assert (await client.get(f"/orders/{unknown}?{wanted}")).json()["code"] == "order_not_found"


@pytest.mark.parametrize(
    ("wanted", "parameter"),
    [
        *((f"version={value}", "version") for value in ("-1", "x", "", "1.0", "%2B1", "1e3", "٣")),
        *(
            (f"as_of={value}", "as_of")
            for value in ("yesterday", "", "2026-01-31", "1769860800", "2026-01-31T12:00:00", "2026-02-30T00:00:00Z")
        ),
        ("version=1&as_of=2026-01-31T12:00:00Z", "as_of"),
    ],
)
async def test_a_moment_of_no_use_is_named(order, client, wanted, parameter):
    answer = await client.get(f"/orders/{order.order_id}?{wanted}")

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["parameter"] == parameter


async def test_a_history_shows_what_was_written_what_caused_it_and_when_the_log_took_it_in(order, client, database):
    items = (await client.get(f"/orders/{order.order_id}/events")).json()["items"]

    assert [item["schema_version"] for item in items] == [1, 1, 1], "as it was written, whatever this release writes"
    assert items[0]["command_id"] == str(order.command_id)
    assert items[0]["correlation_id"] == order.correlation_id
    assert [item["appended_at"] for item in items] == ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.001000Z", "2026-01-31T12:00:00.002000Z"]
    database.run("delete from projections_1.command_outcomes where record_offset = 1")
    without = (await client.get(f"/orders/{order.order_id}/events")).json()["items"]
    assert [("appended_at" in item) for item in without] == [True, False, True]


async def test_a_history_with_a_record_of_a_later_release_is_not_guessed_at(order, client, database):
    database.run("update projections_1.order_history set envelope = replace(envelope, '\"schema_version\":1', '\"schema_version\":99')")

    answer = await client.get(f"/orders/{order.order_id}?version=1")
    assert (answer.status_code, answer.json()["code"]) == (503, "rebuilding")
    assert "deploy the later release" in answer.json()["detail"]
    assert (await client.get(f"/orders/{order.order_id}/events")).status_code == 200
