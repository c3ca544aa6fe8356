"""Dry runs: the answer, and that the aggregate's own rules give it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from command_api.routes import create_command_router
from event_schemas.codes import Code
from event_schemas.commands import Command
from gateway.app import create_app
from gateway.dry_run import NOT_DECIDED, rehearse
from infra.event_log.command_outcomes import Outcome
from infra.http.problems import Problem
from infra.process.health import Health
from order_aggregate.partition_state import PartitionState
from projections.tables.order_history import HistoryEntry
from tests.support.given import ORDER, Envelope, cancel, create, ship
from tests.unit.command_api.fake_follower import FakeLog

BODY: dict[str, Any] = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}
KEY = "a" * 64


def history(*commands: Command) -> Sequence[HistoryEntry]:
    """The history that these commands leave behind."""
    state = PartitionState()
    endings = [decided for command in commands if (decided := state.decide(command)) is not None]
    return [HistoryEntry(record.order_id, offset, 3, value.decode()) for offset, (record, value) in enumerate(endings)]


def test_what_would_be_accepted():
    outcome = rehearse(ship(), history(create()), 3)
    assert (outcome.code, outcome.version, outcome.record_offset) == (None, 2, NOT_DECIDED)


@pytest.mark.parametrize(
    ("before", "command", "code"),
    [
        ((), ship(), Code.ORDER_NOT_FOUND),
        ((create(), ship()), cancel(), Code.ALREADY_SHIPPED),
        ((create(), cancel()), ship(), Code.ALREADY_CANCELLED),
        ((create(),), ship(envelope=Envelope(expected_version=3)), Code.VERSION_CONFLICT),
        ((create(), ship(envelope=Envelope(key_hash=KEY))), cancel(envelope=Envelope(key_hash=KEY)), Code.IDEMPOTENCY_KEY_REUSED),
    ],
)
def test_what_would_be_rejected(before: tuple[Command, ...], command: Command, code: Code):
    assert rehearse(command, history(*before), 3).code == code


def test_a_repeat_has_the_outcome_that_it_had():
    first, too_late = cancel(), ship()
    entries = history(create(), first, too_late)

    assert (rehearse(first, entries, 3).code, rehearse(first, entries, 3).record_offset) == (None, 1)
    assert rehearse(too_late, entries, 3).code == Code.ALREADY_CANCELLED


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async def rehearsed(command: Command) -> tuple[Outcome, str]:
        if command.order_id == ORDER:
            raise Problem(Code.READ_MODEL_BEHIND, "behind", lag_seconds=3.0)
        return rehearse(command, (), 3), "e.here"

    app = create_app(Health("gateway"), [create_command_router(log, lambda: datetime.now(UTC), rehearse=rehearsed)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as made:
        yield made
    assert log.appended == []
    await asyncio.sleep(0)


log = FakeLog()


async def test_it_is_answered_200_and_promises_nothing(client: httpx.AsyncClient):
    answer = await client.post("/orders?dry_run=true", json=BODY, headers={"prefer": "wait=10"})

    assert (answer.status_code, answer.json()["would"], answer.json()["position"]) == (200, "accept", "e.here")
    assert "nothing is promised" in answer.json()["promise"]
    assert answer.headers["x-correlation-id"]


async def test_a_rejection_is_no_error_of_the_dry_run(client: httpx.AsyncClient):
    path = "/orders/7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55/ship?dry_run=true"
    answer = await client.post(path, json={"tracking_number": "1"})
    assert (answer.status_code, answer.json()["would"], answer.json()["code"]) == (200, "reject", "order_not_found")
    assert answer.json()["detail"]


async def test_bad_input_is_refused_as_ever(client: httpx.AsyncClient):
    assert (await client.post("/orders?dry_run=true", json={})).status_code == 422


@pytest.mark.parametrize(
    "query", ["dry_run=1", "dry_run=", "dry_run", "dry_run=TRUE", "dry_run=true&dry_run=true", "dry_run=true&dry_run=false"]
)
async def test_a_value_of_no_use_is_named(client: httpx.AsyncClient, query: str):
    answer = await client.post(f"/orders?{query}", json=BODY)
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "dry_run")


async def test_read_models_that_are_behind_are_said(client: httpx.AsyncClient):
    answer = await client.post(f"/orders/{ORDER}/ship?dry_run=true", json={"tracking_number": "1"})
    assert (answer.status_code, answer.json()["lag_seconds"]) == (503, 3.0)
