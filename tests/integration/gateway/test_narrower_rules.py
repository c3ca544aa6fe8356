"""A release whose rules are narrower, on real servers: what was decided before it keeps its outcome, over HTTP and in the topics."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from event_schemas.topics import COMMANDS
from tests.integration.gateway.conftest import ORDER, Stack
from tests.support.releases import Change, Release, changed_release
from tests.support.service_process import ServiceProcess, free_port
from tests.support.topics import read_topic

WITHDRAWN: Change = ("event_schemas/currencies.csv", "EUR,Euro,\n", "EUR,Euro,2002-02-28\n")
"""The currency of the order, as if it had been withdrawn long before the order was placed."""
WAIT = {"prefer": "wait=20"}


@pytest.fixture(scope="module")
async def narrower(
    stack: Stack, workers: list[ServiceProcess], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway of the narrower release, beside the one that took the orders. It starts when the first order is decided."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as client:
        placed = await client.post("/orders", json=ORDER, headers={"prefer": "wait=20, for=visible", "idempotency-key": "wider"})
        assert (placed.status_code, placed.json()["visible"]) == (201, True)
    port = str(free_port())
    folder = changed_release(tmp_path_factory.mktemp("narrower"), WITHDRAWN, newer=0)
    process = Release(folder, {**stack.environment, "ORDERS_HTTP_PORT": port}, stack.folder).service("gateway").start()
    try:
        await process.until("running", 40)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as made:
            yield made
    finally:
        process.end()


async def commands(stack: Stack) -> int:
    return len(await read_topic(stack.settings, COMMANDS, 4))


async def test_a_repeat_has_the_outcome_of_then(client: httpx.AsyncClient, narrower: httpx.AsyncClient, stack: Stack):
    """The read models know what this gateway has not seen."""
    key = {"idempotency-key": "wider"}
    wanted = await client.post("/orders", json=ORDER, headers=WAIT | key)
    before = await commands(stack)
    again = await narrower.post("/orders", json=ORDER, headers=WAIT | key)
    pending = await narrower.post("/orders", json=ORDER, headers=key)
    view = await narrower.get(pending.headers["location"])

    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, wanted.json(), "true")
    assert again.headers["location"] == wanted.headers["location"]
    assert (pending.status_code, pending.json()["command_id"]) == (202, wanted.json()["command_id"])
    assert (view.status_code, view.json()["status"], view.json()["position"]) == (200, "accepted", wanted.json()["position"])
    assert await commands(stack) == before


async def test_what_the_end_of_the_log_brought_is_known_at_once(client: httpx.AsyncClient, narrower: httpx.AsyncClient):
    key = WAIT | {"idempotency-key": str(uuid4())}
    placed = await client.post("/orders", json=ORDER, headers=key)
    again = await narrower.post("/orders", json=ORDER, headers=key)
    assert (placed.status_code, again.status_code, again.json()) == (201, 201, placed.json())


async def test_what_was_not_decided_is_refused(narrower: httpx.AsyncClient, stack: Stack):
    before = await commands(stack)
    other_key = await narrower.post("/orders", json=ORDER, headers=WAIT | {"idempotency-key": str(uuid4())})
    other_body = await narrower.post("/orders", json=ORDER | {"customer_id": "bob"}, headers=WAIT | {"idempotency-key": "wider"})
    keyless = await narrower.post("/orders", json=ORDER, headers=WAIT)

    for answer in (other_key, other_body, keyless):
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/currency"]
    assert await commands(stack) == before


async def test_with_postgresql_away_no_repeat_is_called_invalid(narrower: httpx.AsyncClient, stack: Stack):
    """Last in this file: it stops the database."""
    await asyncio.to_thread(stack.postgres.stop)
    try:
        untold = await narrower.post("/orders", json=ORDER, headers={"idempotency-key": "wider"})
        keyless = await narrower.post("/orders", json=ORDER)
    finally:
        await asyncio.to_thread(stack.postgres.start)

    assert (untold.status_code, untold.json()["code"], untold.headers["retry-after"]) == (503, "read_model_unavailable", "2")
    assert [error["pointer"] for error in untold.json()["errors"]] == ["/currency"]
    assert keyless.status_code == 422
