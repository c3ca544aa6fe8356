"""`Prefer: wait` on the POSTs: the outcome, the rejection or an honest 202; and nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from command_api.routes import create_command_router
from event_schemas.positions import CommandPlace
from gateway.app import create_app
from infra.process.health import Health
from tests.unit.command_api.fake_follower import FakeFollower, FakeLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY: dict[str, Any] = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}
ORDER = "7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55"
WAIT = {"prefer": "wait=10"}


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def follower(log: FakeLog) -> FakeFollower:
    return FakeFollower(log)


@pytest.fixture
async def client(log: FakeLog, follower: FakeFollower) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Health("gateway"), [create_command_router(log, lambda: NOW, follower=follower)])
    before = asyncio.all_tasks()  # the loop is the session's: other tests' clients may still be closing on it
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://gateway") as made:
        yield made
    assert log.waiting == {}
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, "a wait left a task behind"


async def test_an_order_is_answered_201_with_its_position(client: httpx.AsyncClient):
    answer = await client.post("/orders", json=BODY, headers=WAIT)

    body = answer.json()
    assert answer.status_code == 201
    assert body.keys() == {"command_id", "order_id", "status", "version", "position"}
    assert (body["status"], body["version"]) == ("accepted", 1)
    assert answer.headers["location"] == f"/orders/{body['order_id']}?position={body['position']}"
    assert (answer.headers["preference-applied"], answer.headers["vary"]) == ("wait=10", "Prefer")
    assert "idempotent-replayed" not in answer.headers
    assert "retry-after" not in answer.headers


async def test_ship_is_answered_200_and_what_is_refused_with_its_problem(client: httpx.AsyncClient):
    order_id = (await client.post("/orders", json=BODY, headers=WAIT)).json()["order_id"]
    shipped = await client.post(f"/orders/{order_id}/ship", json={"tracking_number": "1Z"}, headers=WAIT)
    again = await client.post(f"/orders/{order_id}/cancel", json={"reason": "late"}, headers=WAIT)

    assert (shipped.status_code, shipped.json()["version"]) == (200, 2)
    problem = again.json()
    assert (again.status_code, problem["code"], problem["version"], problem["order_id"]) == (409, "already_shipped", 2, order_id)
    assert problem.keys() >= {"command_id", "position", "detail", "correlation_id"}
    assert again.headers["preference-applied"] == "wait=10"


async def test_a_version_conflict_names_both_versions(client: httpx.AsyncClient):
    order_id = (await client.post("/orders", json=BODY, headers=WAIT)).json()["order_id"]
    answer = await client.post(f"/orders/{order_id}/ship", json={"tracking_number": "1Z"}, headers=WAIT | {"if-match": '"7"'})

    assert (answer.status_code, answer.json()["version"], answer.json()["expected_version"]) == (412, 1, 7)


async def test_an_order_that_is_not_there(client: httpx.AsyncClient):
    answer = await client.post(f"/orders/{ORDER}/ship", json={"tracking_number": "1Z"}, headers=WAIT)
    assert (answer.status_code, answer.json()["code"], answer.json()["version"]) == (404, "order_not_found", 0)


async def test_a_repeat_is_answered_at_once_with_the_same_outcome(client: httpx.AsyncClient, log: FakeLog):
    headers = WAIT | {"idempotency-key": "k"}
    first = await client.post("/orders", json=BODY, headers=headers)
    second = await asyncio.wait_for(client.post("/orders", json=BODY, headers=headers), 2)

    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["idempotent-replayed"] == "true"
    assert len(log.records) == 1


async def test_without_the_lookup_a_repeat_would_wait_in_vain(client: httpx.AsyncClient, follower: FakeFollower):
    """The guard taken out: read models that never hold the noted end stand for a lookup that isn't there."""
    headers = {"prefer": "wait=1", "idempotency-key": "k"}
    await client.post("/orders", json=BODY, headers=headers)
    follower.read_up_to = 0
    assert (await client.post("/orders", json=BODY, headers=headers)).status_code == 202


async def test_another_body_under_the_key_is_rejected_and_the_first_outcome_stays(client: httpx.AsyncClient):
    headers = WAIT | {"idempotency-key": "k"}
    first = await client.post("/orders", json=BODY, headers=headers)
    other = await client.post("/orders", json=BODY | {"customer_id": "bob"}, headers=headers)
    repeated = [await client.post("/orders", json=BODY | {"customer_id": name}, headers=headers) for name in ("ada", "bob")]

    assert (other.status_code, other.json()["code"], other.json()["order_id"]) == (422, "idempotency_key_reused", first.json()["order_id"])
    assert [answer.json()["command_id"] for answer in repeated] == [first.json()["command_id"], other.json()["command_id"]]
    assert [answer.status_code for answer in repeated] == [201, 422]
    assert [answer.headers["idempotent-replayed"] for answer in repeated] == ["true", "true"]


async def test_a_repeat_that_overtook_its_first_sending_is_told_so(client: httpx.AsyncClient, log: FakeLog):
    """Both wait at the same moment; the record ends the earlier place's command."""
    log.decides = False
    headers = WAIT | {"idempotency-key": "k"}
    both = [asyncio.create_task(client.post("/orders", json=BODY, headers=headers)) for _ in range(2)]
    while len(log.appended) < 2:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    log.decide(CommandPlace(3, 0))
    answers = await asyncio.gather(*both)

    assert answers[0].json() == answers[1].json()
    assert sorted(answer.headers.get("idempotent-replayed", "") for answer in answers) == ["", "true"]


async def test_without_a_key_nothing_is_looked_up(client: httpx.AsyncClient, follower: FakeFollower):
    await client.post("/orders", json=BODY, headers=WAIT)
    assert follower.asked == 0
    await client.post("/orders", json=BODY, headers=WAIT | {"idempotency-key": "k"})
    assert follower.asked == 1


async def test_when_the_time_is_up_the_outcome_is_unknown_and_not_failed(client: httpx.AsyncClient, log: FakeLog):
    log.decides = False
    answer = await client.post("/orders", json=BODY, headers={"prefer": "wait=0"})

    assert (answer.status_code, answer.json()["status"], answer.headers["retry-after"]) == (202, "pending", "1")
    assert answer.headers["location"].startswith(f"/commands/{answer.json()['command_id']}?submitted=c.")
    assert answer.headers["preference-applied"] == "wait=0"
    assert "not known yet" in answer.json()["detail"]


async def test_without_a_wait_202_is_the_answer_and_nobody_waits(client: httpx.AsyncClient, follower: FakeFollower):
    plain = await client.post("/orders", json=BODY)
    asynchronous = await client.post("/orders", json=BODY, headers={"prefer": "respond-async", "idempotency-key": "k"})

    assert (plain.status_code, plain.headers["vary"], plain.json().keys()) == (202, "Prefer", {"command_id", "order_id", "status"})
    assert "retry-after" not in plain.headers
    assert (asynchronous.status_code, asynchronous.headers["preference-applied"]) == (202, "respond-async")
    assert follower.asked == 0


@pytest.mark.parametrize(("read_up_to", "visible"), [(None, True), (0, False)])
async def test_visibility_is_said(client: httpx.AsyncClient, follower: FakeFollower, read_up_to: int | None, visible: bool):
    follower.read_up_to = read_up_to
    answer = await client.post("/orders", json=BODY, headers={"prefer": "wait=1, for=visible"})

    assert (answer.status_code, answer.json()["visible"]) == (201, visible)
    assert answer.headers["preference-applied"] == "wait=1, for=visible"


async def test_a_rejection_becomes_visible_too(client: httpx.AsyncClient):
    answer = await client.post(f"/orders/{ORDER}/ship", json={"tracking_number": "1"}, headers={"prefer": "wait=1, for=visible"})
    assert (answer.status_code, answer.json()["visible"]) == (404, True)


async def test_a_log_whose_end_is_not_known_yet_is_waited_for_before_anything_is_appended(
    client: httpx.AsyncClient, follower: FakeFollower, log: FakeLog
):
    follower.positioned = False
    posting = asyncio.create_task(client.post("/orders", json=BODY, headers=WAIT))
    await asyncio.sleep(0.05)
    assert log.appended == []
    follower.positioned = True

    assert (await posting).status_code == 201


async def test_a_log_whose_end_stays_unknown_takes_the_command_all_the_same(
    client: httpx.AsyncClient, follower: FakeFollower, log: FakeLog
):
    follower.positioned = False
    answer = await client.post("/orders", json=BODY, headers={"prefer": "wait=1"})
    assert (answer.status_code, len(log.appended)) == (202, 1)


async def test_a_broker_that_does_not_acknowledge_ends_the_wait(client: httpx.AsyncClient, log: FakeLog):
    log.acknowledges = False
    answer = await client.post("/orders", json=BODY, headers=WAIT | {"idempotency-key": "k"})
    assert (answer.status_code, answer.json()["code"], answer.json()["idempotency_key"]) == (503, "broker_unavailable", "k")


async def test_a_process_that_stops_answers_those_who_wait(client: httpx.AsyncClient, log: FakeLog):
    log.decides = False
    posting = asyncio.create_task(client.post("/orders", json=BODY, headers=WAIT))
    while not log.appended:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    for waiters in log.waiting.values():
        for waiter in waiters:
            waiter.cancel()
    assert (await asyncio.wait_for(posting, 2)).status_code == 202


async def test_a_client_that_goes_away_leaves_nothing_behind(client: httpx.AsyncClient, log: FakeLog, follower: FakeFollower):
    log.decides = False
    app = create_app(Health("gateway"), [create_command_router(log, lambda: NOW, follower=follower)])
    messages = [{"type": "http.request", "body": orjson.dumps(BODY)}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        if len(messages) == 1:
            while not log.appended:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert len(log.waiting) == 1
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"prefer", b"wait=30")]
    scope = {"type": "http", "method": "POST", "path": "/orders", "query_string": b"", "headers": headers, "http_version": "1.1"}
    await asyncio.wait_for(app({**scope, "scheme": "http", "server": ("gateway", 80), "root_path": ""}, receive, send), 2)
    assert log.waiting == {}


async def test_two_thousand_wait_at_once(client: httpx.AsyncClient, log: FakeLog):
    log.decides = False
    posting = [asyncio.create_task(client.post("/orders", json=BODY, headers={"prefer": "wait=30"})) for _ in range(2000)]
    while len(log.appended) < 2000:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    for offset in range(2000):
        log.decide(CommandPlace(3, offset))
    answers = await asyncio.gather(*posting)

    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["command_id"] for answer in answers} == {str(command.id) for command in log.appended}


CORRELATION = "x-correlation-id"


async def test_every_answer_carries_the_correlation_id(client: httpx.AsyncClient, log: FakeLog):
    named = {CORRELATION: "cart-17"}
    accepted = await client.post("/orders", json=BODY, headers=WAIT | named)
    pending = await client.post("/orders", json=BODY)
    refused = await client.post("/orders", json={}, headers=named)
    unreadable = await client.post("/orders", content=b"{", headers={"content-type": "application/json"})
    no_json = await client.post("/orders", content=b"{}", headers=named)
    unusable = await client.post("/orders", json=BODY, headers={CORRELATION: "c" * 201})

    assert accepted.headers[CORRELATION] == "cart-17"
    assert pending.headers[CORRELATION] == pending.json()["command_id"] == log.appended[1].correlation_id
    for answer in (refused, no_json):
        assert answer.headers[CORRELATION] == answer.json()["correlation_id"] == "cart-17"
    for answer in (unreadable, unusable):
        assert len(answer.headers[CORRELATION]) == 36
        assert answer.json()["correlation_id"] == answer.headers[CORRELATION]
    assert (unusable.status_code, unusable.json()["errors"][0]["header"]) == (422, "X-Correlation-Id")


async def test_the_unexpected_carries_it_too(client: httpx.AsyncClient, log: FakeLog, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(log, "append", broken)
    answer = await client.post("/orders", json=BODY, headers={CORRELATION: "cart-17"})
    assert (answer.status_code, answer.json()["correlation_id"]) == (500, "cart-17")
