"""Problem details (RFC 9457): the one shape in which every refusal is answered."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response

from event_schemas.codes import STATUS, Code

MEDIA_TYPE = "application/problem+json"
CORRELATION = "X-Correlation-Id"
"""The header by which a request, its command, its record and the log lines about them are found together."""
_TITLES = {code: code.value.replace("_", " ").capitalize() for code in Code}


class Problem(Exception):
    """An answer that is a refusal. Raise it anywhere below a route; the gateway renders it.

    `detail` is for people and says what would be right; `extensions` are further members for programs.
    """

    def __init__(self, code: Code, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = extensions

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.code]

    def body(self) -> dict[str, Any]:
        """The members of the problem, `None` left out."""
        members = {
            "type": f"urn:orders:problem:{self.code}",
            "title": _TITLES[self.code],
            "status": self.status,
            "code": str(self.code),
            "detail": self.detail,
            **self.extensions,
        }
        return {name: value for name, value in members.items() if value is not None}

    def response(self, correlation_id: str | None = None) -> Response:
        """The problem as an HTTP response, with the request's correlation id if it has one."""
        body, headers = self.body(), dict(self.headers)
        if correlation_id is not None:
            body["correlation_id"], headers[CORRELATION] = correlation_id, correlation_id
        return Response(orjson.dumps(body, default=str), status_code=self.status, media_type=MEDIA_TYPE, headers=headers)


COMMAND_ID = "0d6a4c64-2f43-5f0c-9a53-6b8b7d1f2f10"
ORDER_ID = "7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55"
POSITION = "e.RRr2uwr43aIMCgM"
RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}

_REJECTED = {"command_id": COMMAND_ID, "order_id": ORDER_ID, "version": 2, "position": POSITION}
_EXAMPLES: dict[Code, dict[str, Any]] = {
    Code.ORDER_NOT_FOUND: {"detail": "there is no order with this id"},
    Code.ALREADY_EXISTS: {"detail": "an order with this id was placed before", **_REJECTED},
    Code.ALREADY_SHIPPED: {"detail": "the order was shipped", **_REJECTED},
    Code.ALREADY_CANCELLED: {"detail": "the order was cancelled", **_REJECTED},
    Code.INVALID_COMMAND: {"detail": "data.lines: Field required", **_REJECTED},
    Code.VERSION_CONFLICT: {"detail": "the order is at version 2, not 1", **_REJECTED, "expected_version": 1},
    Code.IDEMPOTENCY_KEY_REUSED: {"detail": "the Idempotency-Key was used before for another request", **_REJECTED},
    Code.MALFORMED_JSON: {"detail": "the body is not JSON: unexpected end of data: line 1 column 2 (char 1)"},
    Code.VALIDATION_FAILED: {
        "detail": "/lines/0/quantity: must be greater than or equal to 1",
        "errors": [{"pointer": "/lines/0/quantity", "detail": "must be greater than or equal to 1"}],
    },
    Code.BODY_TOO_LARGE: {"detail": "a body may have at most 262144 bytes"},
    Code.UNSUPPORTED_MEDIA_TYPE: {"detail": "Content-Type must be application/json, in UTF-8"},
    Code.BACKLOG_TOO_OLD: {"detail": "commands wait for 41 s to be decided, longer than 30 s: nothing was taken, try again later"},
    Code.BROKER_UNAVAILABLE: {
        "detail": "outcome unknown, retry with this Idempotency-Key: the broker has not acknowledged the command",
        "idempotency_key": "5b5b2d66-6c11-4f0a-9f5e-0a9d6d6d6a0f",
    },
    Code.COMMAND_UNKNOWN: {"detail": "no outcome of this command is known; it may be pending: follow the Location of its 202"},
    Code.CUSTOMER_NOT_FOUND: {"detail": "there is no order of this customer"},
    Code.READ_MODEL_UNAVAILABLE: {"detail": "PostgreSQL does not answer: try again, nothing is lost"},
    Code.READ_MODEL_BEHIND: {
        "detail": "the read models did not hold this position within 5 s; they are 7.5 s behind: try again",
        "lag_seconds": 7.5,
    },
    Code.REBUILDING: {"detail": "the read models have not been made yet: the projections make them when they start"},
    Code.ORIGIN_REFUSED: {"detail": "pages of this origin may not open the feed: allow it with ORDERS_FEED_ORIGINS"},
    Code.FEED_FULL: {"detail": "this instance streams to as many clients as it may (ORDERS_FEED_MAX_CONNECTIONS)"},
    Code.NOT_READY: {"detail": "the log can't be read up to this position now: subscribe again in a few seconds"},
    Code.INTERNAL_ERROR: {"detail": "something went wrong on our side; it has been logged"},
}


def problem_responses(codes: Sequence[Code], headers: Mapping[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route by status, in the shape of OpenAPI's `responses`. `headers` come with each of them."""
    by_status: dict[int | str, list[Code]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(code)
    return {status: _response(group, headers or {}) for status, group in by_status.items()}


def _response(codes: Sequence[Code], headers: Mapping[str, Any]) -> dict[str, Any]:
    examples = {str(code): {"value": Problem(code, **_EXAMPLES.get(code, {"detail": str(code)})).body()} for code in codes}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
    retried = RETRY_AFTER if STATUS[codes[0]] == 503 else {}
    return {"description": " or ".join(f"`{code}`" for code in codes), "headers": {**headers, **retried}, "content": content}
