"""Commands that are served past FastAPI's layers are answered as FastAPI would have answered them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from command_api.body import MAX_BODY
from command_api.command_log import NotAcknowledged
from command_api.routes import create_command_router
from event_schemas.positions import CommandPlace
from gateway.app import create_app
from gateway.problems import render_problems
from infra.process.health import Health

ORDER = "7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55"
BODY = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}
SAME = {"Idempotency-Key": "the same", "X-Correlation-Id": "the same"}


class _Log:
    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        del order_id, value, headers
        if self._error:
            raise self._error
        return CommandPlace(7, 11)


def _router(error: Exception | None) -> Any:
    return create_command_router(_Log(error), clock=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))


async def _answer(app: FastAPI, method: str, path: str, sent: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://gateway") as client:
        answer = await client.request(method, path, **{**sent, "headers": SAME | sent.get("headers", {})})
    return answer.status_code, dict(answer.headers), answer.content


@pytest.mark.parametrize(
    ("method", "path", "sent", "error", "status"),
    [
        ("POST", "/orders", {"json": BODY}, None, 202),
        ("POST", f"/orders/{ORDER}/ship", {"json": {"tracking_number": "T1"}, "headers": {"If-Match": '"1"'}}, None, 202),
        ("POST", f"/orders/{ORDER}/cancel", {"json": {"reason": "late"}}, None, 202),
        ("POST", "/orders/no-id/cancel", {"json": {"reason": "late"}}, None, 404),
        ("POST", f"/orders/{ORDER}/pack", {"json": {}}, None, 404),
        ("POST", "/orders/", {"json": BODY}, None, 404),
        ("POST", "/orders?dry_run=maybe", {"json": BODY}, None, 422),
        ("POST", "/orders", {"json": {**BODY, "currency": "XXY"}}, None, 422),
        ("POST", "/orders", {"content": b"{", "headers": {"content-type": "application/json"}}, None, 400),
        ("POST", "/orders", {"content": b"a", "headers": {"content-type": "text/plain"}}, None, 415),
        ("POST", "/orders", {"content": b" " * (MAX_BODY + 1), "headers": {"content-type": "application/json"}}, None, 413),
        ("POST", "/orders", {"json": BODY}, NotAcknowledged("TimeoutError"), 503),
        ("POST", "/orders", {"json": BODY}, ClientDisconnect(), 400),
        ("POST", "/orders", {"json": BODY}, HTTPException(404), 404),
        ("POST", "/orders", {"json": BODY}, RuntimeError("our insides"), 500),
        ("PUT", "/orders", {"json": BODY}, None, 405),
        ("HEAD", "/orders", {}, None, 405),
    ],
)
async def test_the_answer_is_the_one_that_fastapi_would_give(
    method: str, path: str, sent: dict[str, Any], error: Exception | None, status: int
) -> None:
    plain = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    render_problems(plain)
    plain.include_router(_router(error))

    directly = await _answer(create_app(Health("gateway"), [_router(error)]), method, path, sent)

    assert directly == await _answer(plain, method, path, sent)
    assert directly[0] == status


async def test_a_command_passes_fastapis_router_by() -> None:
    app = create_app(Health("gateway"), [_router(None)])
    app.router.routes.clear()

    assert (await _answer(app, "POST", "/orders", {"json": BODY}))[0] == 202
    assert (await _answer(app, "GET", "/health/live", {}))[0] == 404
