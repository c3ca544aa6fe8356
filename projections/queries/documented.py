"""What OpenAPI says of every read: how fresh the answer is, and the refusals that each read may end in."""

from typing import Any

from event_schemas.codes import Code
from infra.http.problems import problem_responses

_EVERYWHERE = (Code.VALIDATION_FAILED, Code.READ_MODEL_BEHIND, Code.READ_MODEL_UNAVAILABLE, Code.REBUILDING)
FRESHNESS = {
    "Orders-Position": {"description": "The position up to which this answer is complete", "schema": {"type": "string"}},
    "Orders-Lag": {"description": "Age in seconds of the oldest record not applied, 0 if none", "schema": {"type": "number"}},
}


def documented(*codes: Code, headers: dict[str, Any] | None = None, **ok: Any) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, in the shape of FastAPI's `responses`: `codes` come beside those of every read."""
    return {200: {"headers": FRESHNESS | (headers or {}), **ok}, **problem_responses((*codes, *_EVERYWHERE), FRESHNESS)}
