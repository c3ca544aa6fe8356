"""The three POSTs, from the request's bytes to what is appended; bad input is named and leaves nothing behind."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from command_api.body import MAX_BODY
from command_api.command_log import NotAcknowledged
from command_api.routes import create_command_router
from event_schemas.commands import CancelOrder, CreateOrder, ShipOrder
from event_schemas.decoding import decode_command
from event_schemas.positions import CommandPlace
from gateway.app import create_app
from infra.process.health import Health

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = "7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55"
BODY: dict[str, Any] = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}
JSON = {"content-type": "application/json"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class RecordingLog:
    """Stands for CommandLog; what it promises of `append` is checked on the real one in tests/integration/command_api."""

    def __init__(self) -> None:
        self.appended: list[tuple[str, bytes, list[tuple[str, bytes]]]] = []
        self.acknowledges = True

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        if not self.acknowledges:
            raise NotAcknowledged("TimeoutError")
        self.appended.append((order_id, value, list(headers)))
        return CommandPlace(7, len(self.appended) - 1)

    def only(self) -> Any:
        ((_, value, _),) = self.appended
        return decode_command(value)


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
async def client(log: RecordingLog) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Health("gateway"), [create_command_router(log, clock=lambda: NOW)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://gateway") as made:
        yield made


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    body = deepcopy(BODY)
    target: Any = body
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = to
    return body


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BODY.items() if key != name}


async def test_an_order_is_answered_202_with_its_place(client: httpx.AsyncClient, log: RecordingLog):
    answer = await client.post("/orders", json=BODY)

    command = log.only()
    assert answer.status_code == 202
    assert answer.json() == {"command_id": str(command.id), "order_id": str(command.order_id), "status": "pending"}
    assert answer.headers["location"] == f"/commands/{command.id}?submitted={CommandPlace(7, 0).token()}"
    assert isinstance(command.data, CreateOrder)
    assert log.appended[0][0] == str(command.order_id)
    assert (command.issued_at, command.data.ordered_at, command.actor) == (NOW, NOW, "anonymous")
    assert command.correlation_id == str(command.id)


async def test_what_the_client_sent_stands_in_the_command(client: httpx.AsyncClient, log: RecordingLog):
    body = BODY | {"ordered_at": "1997-01-01T14:00:00+02:00", "reference": "cdnow-1"}
    await client.post("/orders", json=body, headers={"x-correlation-id": "cart-17", "traceparent": TRACE})

    command = log.only()
    assert command.data.ordered_at == datetime(1997, 1, 1, 12, tzinfo=UTC)
    assert command.data.reference == "cdnow-1"
    assert str(command.data.lines[0].unit_price) == "4.50"
    assert command.correlation_id == "cart-17"
    assert log.appended[0][2] == [("traceparent", TRACE.encode())]


async def test_ship_and_cancel_name_the_order_and_the_version(client: httpx.AsyncClient, log: RecordingLog):
    ship = await client.post(f"/orders/{ORDER}/ship", json={"tracking_number": "1Z"}, headers={"if-match": '"3"'})
    cancel = await client.post(f"/orders/{ORDER}/cancel", json={"reason": "twice"})

    assert (ship.status_code, cancel.status_code) == (202, 202)
    shipped, cancelled = (decode_command(value) for _, value, _ in log.appended)
    assert isinstance(shipped.data, ShipOrder)
    assert isinstance(cancelled.data, CancelOrder)
    assert (shipped.order_id, shipped.expected_version) == (UUID(ORDER), 3)
    assert (cancelled.order_id, cancelled.expected_version) == (UUID(ORDER), None)


async def test_a_repeat_is_the_same_command_whatever_its_formatting(client: httpx.AsyncClient, log: RecordingLog):
    headers = JSON | {"idempotency-key": "k-1"}
    first = await client.post("/orders", content=json.dumps(BODY), headers=headers)
    second = await client.post("/orders", content=json.dumps(dict(reversed(BODY.items())), indent=3), headers=headers)

    assert first.json() == second.json()
    assert len(log.appended) == 2


async def test_without_a_key_every_post_is_a_new_command(client: httpx.AsyncClient):
    first, second = [(await client.post("/orders", json=BODY)).json() for _ in range(2)]
    assert first["command_id"] != second["command_id"]
    assert first["order_id"] != second["order_id"]


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_without_acknowledgement_a_key_leads_the_retry_to_the_same_command(
    client: httpx.AsyncClient, log: RecordingLog, key: str | None
):
    log.acknowledges = False
    refused = await client.post("/orders", json=BODY, headers={"idempotency-key": key} if key else {})
    problem = refused.json()
    log.acknowledges = True

    assert (refused.status_code, problem["code"]) == (503, "broker_unavailable")
    assert problem["detail"].startswith("outcome unknown, retry with this Idempotency-Key")
    assert problem["idempotency_key"] == (key or problem["idempotency_key"])
    retries = [(await client.post("/orders", json=BODY, headers={"idempotency-key": problem["idempotency_key"]})).json() for _ in range(2)]
    assert retries[0] == retries[1]


MAX_LINE = BODY["lines"] * 100
FINE = {
    "a price of nothing": changed("lines", 0, "unit_price", to="0"),
    "the highest price": changed("lines", 0, "unit_price", to="1000000000.0000"),
    "four decimals": changed("lines", 0, "unit_price", to="0.0001"),
    "100 lines": BODY | {"lines": MAX_LINE},
    "the highest quantity": changed("lines", 0, "quantity", to=100_000),
    "200 characters": BODY | {"customer_id": "😀" * 200},
    "a clock that is a little ahead": BODY | {"ordered_at": (NOW + timedelta(seconds=59)).isoformat()},
    "no reference": BODY | {"reference": None},
}


@pytest.mark.parametrize("body", FINE.values(), ids=FINE)
async def test_what_is_just_allowed(client: httpx.AsyncClient, log: RecordingLog, body: dict[str, Any]):
    assert (await client.post("/orders", json=body)).status_code == 202
    assert isinstance(log.only().data, CreateOrder)


def line(name: str, value: Any) -> dict[str, Any]:
    return changed("lines", 0, name, to=value)


INVALID: dict[str, tuple[Any, str]] = {
    "not an object": ([], ""),
    "no customer": (without("customer_id"), "/customer_id"),
    "an unknown field": (BODY | {"colour": "red"}, "/colour"),
    "an unknown field with a slash": (BODY | {"a/b~c": 1}, "/a~1b~0c"),
    "an unknown field in a line": (line("discount", "1"), "/lines/0/discount"),
    "no lines": (BODY | {"lines": []}, "/lines"),
    "101 lines": (BODY | {"lines": [*MAX_LINE, BODY["lines"][0]]}, "/lines"),
    "lines that are no array": (BODY | {"lines": "tea"}, "/lines"),
    "quantity 0": (line("quantity", 0), "/lines/0/quantity"),
    "quantity 100001": (line("quantity", 100_001), "/lines/0/quantity"),
    "a quantity as text": (line("quantity", "2"), "/lines/0/quantity"),
    "half a quantity": (line("quantity", 1.5), "/lines/0/quantity"),
    "a boolean quantity": (line("quantity", True), "/lines/0/quantity"),
    "a huge quantity": (line("quantity", 2**70), "/lines/0/quantity"),
    "a price as a number": (line("unit_price", 4.5), "/lines/0/unit_price"),
    "a boolean price": (line("unit_price", True), "/lines/0/unit_price"),
    "a negative price": (line("unit_price", "-1"), "/lines/0/unit_price"),
    "a price that is NaN": (line("unit_price", "NaN"), "/lines/0/unit_price"),
    "an infinite price": (line("unit_price", "Infinity"), "/lines/0/unit_price"),
    "a price with an exponent": (line("unit_price", "1e3"), "/lines/0/unit_price"),
    "5 decimals": (line("unit_price", "0.00001"), "/lines/0/unit_price"),
    "a price above the highest": (line("unit_price", "1000000000.0001"), "/lines/0/unit_price"),
    "a price in other digits": (line("unit_price", "٤"), "/lines/0/unit_price"),
    "a price with a space": (line("unit_price", " 1"), "/lines/0/unit_price"),
    "a price with a line feed": (line("unit_price", "1\n"), "/lines/0/unit_price"),
    "an unknown currency": (BODY | {"currency": "EUX"}, "/currency"),
    "a currency in small letters": (BODY | {"currency": "eur"}, "/currency"),
    "a currency that is no text": (BODY | {"currency": ["EUR"]}, "/currency"),
    "a customer with a slash": (BODY | {"customer_id": "a/b"}, "/customer_id"),
    "an empty customer": (BODY | {"customer_id": ""}, "/customer_id"),
    "201 characters": (BODY | {"customer_id": "a" * 201}, "/customer_id"),
    "a control character": (BODY | {"customer_id": "a\u0000"}, "/customer_id"),
    "a C1 control character": (line("sku", "a\u0085"), "/lines/0/sku"),
    "a customer that is a number": (BODY | {"customer_id": 17}, "/customer_id"),
    "a reference that is too long": (BODY | {"reference": "r" * 201}, "/reference"),
    "a time in the future": (BODY | {"ordered_at": (NOW + timedelta(seconds=61)).isoformat()}, "/ordered_at"),
    "a time without an offset": (BODY | {"ordered_at": "2026-01-01T00:00:00"}, "/ordered_at"),
    "a time as a number": (BODY | {"ordered_at": 1767225600}, "/ordered_at"),
    "a day": (BODY | {"ordered_at": "2026-01-01"}, "/ordered_at"),
    "a time before time": (BODY | {"ordered_at": "0001-01-01T00:00:00+14:00"}, "/ordered_at"),
}


@pytest.mark.parametrize(("body", "pointer"), INVALID.values(), ids=INVALID)
async def test_invalid_content_is_named_and_appends_nothing(client: httpx.AsyncClient, log: RecordingLog, body: Any, pointer: str):
    answer = await client.post(
        "/orders",
        content=orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_DATETIME) if body != INVALID["a huge quantity"][0] else json.dumps(body),
        headers=JSON,
    )

    problem = answer.json()
    assert (answer.status_code, problem["code"], answer.headers["content-type"]) == (422, "validation_failed", "application/problem+json")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert all(error["detail"] for error in problem["errors"])
    assert log.appended == []


async def test_everything_that_is_wrong_is_named_at_once(client: httpx.AsyncClient, log: RecordingLog):
    body = {"currency": "?", "lines": [{"sku": "", "quantity": 0, "unit_price": 1}], "more": 1, "ordered_at": "2999-01-01T00:00:00Z"}
    answer = await client.post("/orders", json=body, headers={"if-match": "*", "idempotency-key": "k" * 256})

    errors = answer.json()["errors"]
    assert {error.get("header") for error in errors} == {"If-Match", "Idempotency-Key", None}
    assert {error["pointer"] for error in errors} == {
        *("", "/customer_id", "/currency", "/lines/0/sku", "/lines/0/quantity", "/lines/0/unit_price", "/more", "/ordered_at")
    }
    assert log.appended == []


REFUSED: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "no body": ("/orders", b"", JSON, 400, "malformed_json"),
    "no JSON": ("/orders", b"{", JSON, 400, "malformed_json"),
    "NaN": ("/orders", b'{"a": NaN}', JSON, 400, "malformed_json"),
    "a lone surrogate": ("/orders", b'{"customer_id": "\\ud800"}', JSON, 400, "malformed_json"),
    "a member twice": ("/orders", b'{"a": 1, "a": 1}', JSON, 400, "malformed_json"),
    "300 KiB": ("/orders", b" " * 300 * 1024, JSON, 413, "body_too_large"),
    "text": ("/orders", b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
    "no content type": ("/orders", b"{}", {}, 415, "unsupported_media_type"),
    "an order id that is no UUID": ("/orders/17/ship", b"{}", JSON, 404, "order_not_found"),
    "an order id in capitals": (f"/orders/{ORDER.upper()}/cancel", b"{}", JSON, 404, "order_not_found"),
    "an order id in braces": (f"/orders/{{{ORDER}}}/cancel", b"{}", JSON, 404, "order_not_found"),
    "no such path": ("/orders/", b"{}", JSON, 404, "not_found"),
    "no tracking number": (f"/orders/{ORDER}/ship", b"{}", JSON, 422, "validation_failed"),
    "a weak version": (f"/orders/{ORDER}/ship", b'{"tracking_number": "1"}', JSON | {"if-match": 'W/"1"'}, 422, "validation_failed"),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_is_a_problem_and_appends_nothing(
    client: httpx.AsyncClient, log: RecordingLog, refused: tuple[str, bytes, dict[str, str], int, str]
):
    path, body, headers, status, code = refused
    answer = await client.post(path, content=body, headers=headers)

    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.keys() >= {"type", "title", "detail"}
    assert log.appended == []


async def test_another_method_is_answered_with_those_that_are_possible(client: httpx.AsyncClient):
    answer = await client.put("/orders")
    assert (answer.status_code, answer.json()["code"], answer.headers["allow"]) == (405, "method_not_allowed", "POST")


async def test_a_body_in_chunks_is_not_read_beyond_the_limit(client: httpx.AsyncClient, log: RecordingLog):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 64 * 1024
            yield b" " * 64 * 1024

    answer = await asyncio.wait_for(client.post("/orders", content=endless(), headers=JSON), 5)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent <= 2 * MAX_BODY
    assert log.appended == []


async def test_a_body_in_chunks_is_put_together(client: httpx.AsyncClient, log: RecordingLog):
    async def in_pieces() -> AsyncIterator[bytes]:
        for byte in orjson.dumps(BODY):
            yield bytes([byte])

    assert (await client.post("/orders", content=in_pieces(), headers=JSON)).status_code == 202
    assert log.only().data.customer_id == "ada"


async def test_the_unexpected_is_answered_without_our_insides(
    client: httpx.AsyncClient, log: RecordingLog, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> CommandPlace:
        raise RuntimeError("secret")

    monkeypatch.setattr(log, "append", broken)
    answer = await client.post("/orders", json=BODY)

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


OPENAPI_SAYS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "every answer of POST /orders": lambda d: (
        d["paths"]["/orders"]["post"]["responses"].keys() == {"200", "201", "202", "400", "409", "413", "415", "422", "429", "500", "503"}
    ),
    "404 for an unknown order": lambda d: "404" in d["paths"]["/orders/{order_id}/ship"]["post"]["responses"],
    "the body": lambda d: d["components"]["schemas"]["CreateOrderRequest"]["required"] == ["customer_id", "currency", "lines"],
    "If-Match": lambda d: "If-Match" in {p["name"] for p in d["paths"]["/orders/{order_id}/cancel"]["post"]["parameters"]},
    "no shape of FastAPI's": lambda d: "HTTPValidationError" not in json.dumps(d),
}


@pytest.mark.parametrize("says", OPENAPI_SAYS.values(), ids=OPENAPI_SAYS)
async def test_the_openapi_document_says(client: httpx.AsyncClient, says: Callable[[dict[str, Any]], bool]):
    assert says((await client.get("/openapi.json")).json())


@pytest.mark.parametrize("path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css"])
async def test_the_docs_ask_no_other_host(client: httpx.AsyncClient, path: str):
    answer = await client.get(path)
    assert answer.status_code == 200
    assert "http://" not in answer.text.replace("http://www.w3.org", "")
    assert "https://" not in answer.text


async def test_the_docs_script_is_there(client: httpx.AsyncClient):
    assert (await client.get("/docs/swagger-ui-bundle.js")).headers["content-type"].startswith("text/javascript")
