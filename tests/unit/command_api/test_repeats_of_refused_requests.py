"""A rule that became narrower does not answer for a request that was decided when it was wider: the outcome of then does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from command_api import headers as command_headers
from command_api import requests
from command_api.body import MAX_BODY, MAX_PARTS
from event_schemas.codes import Code
from infra.http.problems import Problem
from tests.unit.command_api.fake_follower import FakeFollower, FakeLog
from tests.unit.command_api.test_waiting_for_outcomes import BODY, ORDER, WAIT, client, follower, log

__all__ = ["client", "follower", "log"]

KEY = {"idempotency-key": "cart-17"}
JSON = {"content-type": "application/json"}
TRACKING = {"tracking_number": "1Z"}


@pytest.fixture
def narrower(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it, and no currency is in use any more, nor is any ETag one."""

    def narrow() -> None:
        def withdrawn(code: str, _at: object) -> str:
            raise ValueError(f"{code} was withdrawn")

        monkeypatch.setattr(requests, "in_use", withdrawn)
        monkeypatch.setattr(command_headers, "VERSION", command_headers.re.compile("never"))

    return narrow


@pytest.fixture
async def placed(client: httpx.AsyncClient, log: FakeLog, narrower: Any) -> AsyncIterator[httpx.Response]:
    """The answer to a POST under the key, which today's rules refuse. Nothing is appended from then on."""
    answer = await client.post("/orders", json=BODY, headers=WAIT | KEY)
    assert answer.status_code == 201
    narrower()
    before = len(log.appended)
    yield answer
    assert len(log.appended) == before


async def test_a_repeat_is_answered_202_with_the_place_of_the_command(client: httpx.AsyncClient, placed: httpx.Response):
    again = await client.post("/orders", json=BODY, headers=KEY)

    ids = {name: placed.json()[name] for name in ("command_id", "order_id")}
    assert (again.status_code, again.json()) == (202, ids | {"status": "pending"})
    assert again.headers["location"] == f"/commands/{ids['command_id']}?submitted=c.AwA"
    assert again.headers["x-correlation-id"] == ids["command_id"]
    assert "retry-after" not in again.headers


async def test_with_a_wait_a_repeat_is_answered_with_the_outcome(client: httpx.AsyncClient, placed: httpx.Response):
    again = await client.post("/orders", json=dict(reversed(BODY.items())), headers=WAIT | KEY)

    assert (again.status_code, again.json(), again.headers["location"]) == (201, placed.json(), placed.headers["location"])
    assert (again.headers["idempotent-replayed"], again.headers["preference-applied"]) == ("true", "wait=10")
    assert again.headers["x-correlation-id"] == placed.json()["command_id"]


@pytest.mark.parametrize(("read_up_to", "visible"), [(None, True), (0, False)])
async def test_visibility_is_said(
    client: httpx.AsyncClient, placed: httpx.Response, follower: FakeFollower, read_up_to: int | None, visible: bool
):
    follower.read_up_to = read_up_to
    again = await client.post("/orders", json=BODY, headers=KEY | {"prefer": "wait=1, for=visible"})
    assert (again.status_code, again.json()["visible"]) == (201, visible)


async def test_a_rejection_is_repeated_too(client: httpx.AsyncClient, log: FakeLog, narrower: Any):
    """The rule that became narrower is a header's."""
    headers = WAIT | KEY | {"if-match": '"3"'}
    rejected = await client.post(f"/orders/{ORDER}/ship", json=TRACKING, headers=headers)
    narrower()
    again = await client.post(f"/orders/{ORDER}/ship", json=TRACKING, headers=headers)

    assert (rejected.status_code, again.status_code, again.json()) == (404, 404, rejected.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert len(log.appended) == 1


async def test_what_the_client_calls_the_request_is_repeated_only_when_it_can_be(client: httpx.AsyncClient, placed: httpx.Response):
    named = await client.post("/orders", json=BODY, headers=WAIT | KEY | {"x-correlation-id": "cart/17"})
    unusable = await client.post("/orders", json=BODY, headers=WAIT | KEY | {"x-correlation-id": "c" * 201})

    assert (named.status_code, named.headers["x-correlation-id"]) == (201, "cart/17")
    assert (unusable.status_code, unusable.headers["x-correlation-id"]) == (201, placed.json()["command_id"])


async def test_a_dry_run_says_what_was_decided(client: httpx.AsyncClient, placed: httpx.Response):
    answer = await client.post("/orders?dry_run=true", json=BODY, headers=KEY)

    assert (answer.status_code, answer.json()["would"], answer.json()["position"]) == (200, "accept", placed.json()["position"])
    assert "accepted already" in answer.json()["detail"]


async def test_what_was_never_decided_is_refused_with_every_fault(client: httpx.AsyncClient, placed: httpx.Response):
    other_body = await client.post("/orders", json=BODY | {"customer_id": "bob"}, headers=WAIT | KEY)
    other_key = await client.post("/orders", json=BODY, headers={"idempotency-key": "cart-18"})
    faults = await client.post("/orders", json={"currency": "?"}, headers=KEY | {"x-correlation-id": ""})

    assert [answer.json()["code"] for answer in (other_body, other_key, faults)] == ["validation_failed"] * 3
    assert [error["pointer"] for error in faults.json()["errors"]] == ["", "/customer_id", "/currency", "/lines"]


async def test_without_a_key_of_its_own_a_request_repeats_nothing(
    client: httpx.AsyncClient, placed: httpx.Response, follower: FakeFollower
):
    """Nor with two, of which nobody knows the one that is meant; nor when nobody knows whether it is a dry run."""
    pairs = [(name, value) for name, value in (JSON | KEY).items()]
    answers = [
        await client.post("/orders", json=BODY),
        await client.post("/orders", content=json.dumps(BODY), headers=[*pairs, ("idempotency-key", "cart-18")]),
        await client.post("/orders", content=json.dumps(BODY), headers=[*pairs, ("if-match", '"1"'), ("if-match", '"2"')]),
        await client.post("/orders?dry_run=perhaps", json=BODY, headers=KEY),
    ]

    assert [answer.json()["code"] for answer in answers] == ["validation_failed"] * 4
    assert follower.past_asked == 0


async def test_what_can_not_be_told_is_not_called_invalid(client: httpx.AsyncClient, placed: httpx.Response, follower: FakeFollower):
    follower.untold = Problem(Code.READ_MODEL_UNAVAILABLE, "PostgreSQL does not answer", headers={"Retry-After": "2"})
    keyed = await client.post("/orders", json=BODY, headers=WAIT | KEY)
    keyless = await client.post("/orders", json=BODY)

    assert (keyed.status_code, keyed.json()["code"], keyed.headers["retry-after"]) == (503, "read_model_unavailable", "2")
    assert keyed.json()["detail"].endswith("can't be told now: PostgreSQL does not answer")
    assert keyed.json()["errors"] == keyless.json()["errors"]
    assert (keyless.status_code, keyless.json()["code"]) == (422, "validation_failed")


ODD = {
    "null": b"null",
    "a text": b'"order"',
    "a list": b"[1.5, -0.0, 1e300]",
    "numbers that no double holds": b'{"a": 9007199254740993, "b": 18446744073709551616, "c": -9223372036854775809}',
    "names in any script": '{"ключ": 1, "😀": 2, "\ufb33": 3}'.encode(),
    "254 levels": b"[" * 254 + b"]" * 254,
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_any_body_is_looked_up(client: httpx.AsyncClient, follower: FakeFollower, body: bytes):
    answer = await client.post("/orders", content=body, headers=JSON | KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert follower.past_asked == 1


NOT_LOOKED_UP = {
    "no JSON": (b"{", 400),
    "a number beyond a double": (b"1e999", 400),
    "too large": (b" " * (MAX_BODY + 1), 413),
    "too many parts": (b"[" + b"1," * MAX_PARTS + b"1]", 422),
    "more levels than are written again": (b"[" * 255 + b"]" * 255, 422),
}


@pytest.mark.parametrize(("body", "status"), NOT_LOOKED_UP.values(), ids=NOT_LOOKED_UP)
async def test_a_body_that_no_release_took_is_refused_at_once(client: httpx.AsyncClient, follower: FakeFollower, body: bytes, status: int):
    assert (await client.post("/orders", content=body, headers=JSON | KEY)).status_code == status
    assert follower.past_asked == 0
