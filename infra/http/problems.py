"""Problem details (RFC 9457): the one shape in which every refusal is answered."""

from collections.abc import Mapping
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
