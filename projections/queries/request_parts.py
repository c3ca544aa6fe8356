"""The parts of a request that the queries read, how their refusals look, and what OpenAPI says of every read."""

import re
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from event_schemas.codes import Code
from event_schemas.request_types import CustomerId, Time
from event_schemas.values import canonical_uuid
from infra.http.problems import Problem, problem_responses
from projections.queries.sql import OrderStatus

_DIGITS = re.compile(r"\d+", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EVERYWHERE = (Code.VALIDATION_FAILED, Code.READ_MODEL_BEHIND, Code.READ_MODEL_UNAVAILABLE, Code.REBUILDING)
FRESHNESS = {
    "Orders-Position": {"description": "The position up to which this answer is complete", "schema": {"type": "string"}},
    "Orders-Lag": {"description": "Age in seconds of the oldest record not applied, 0 if none", "schema": {"type": "number"}},
}


def _day(value: object) -> object:
    # pydantic would take a bare number for seconds since 1970.
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-01-31")
    return value


def _version(value: object) -> object:
    # pydantic would take 2.0 and +2, too.
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("must be a version such as 2")
    return value


def _plus_again(value: object) -> object:
    # To a form's encoding, the "+" of an offset that was not escaped is a space; a time has none of its own.
    return value.replace(" ", "+") if isinstance(value, str) else value


_WAIT = "A position: wait at most 5 s until the read models hold it"
Day = Annotated[date, BeforeValidator(_day)]
Version = Annotated[int, BeforeValidator(_version), Field(ge=0)]
PointInTime = Annotated[Time, BeforeValidator(_plus_again), WithJsonSchema({"type": "string", "format": "date-time"})]
PositionToken = Annotated[str | None, Query(description=_WAIT)]


class OrderListParameters(BaseModel):
    """What `GET /orders` takes; what it does not know it ignores."""

    customer_id: Annotated[CustomerId | None, Field(description="Only this customer's orders")] = None
    status: Annotated[OrderStatus | None, Field(description="Only orders in this status")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Orders on one page")] = 50
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before")] = None
    position: Annotated[str | None, Field(description=_WAIT)] = None


def invalid_parameter(name: str, detail: str) -> Problem:
    """The refusal of a query parameter that can't be used."""
    return Problem(
        Code.VALIDATION_FAILED, f"query parameter {name}: {detail}", errors=[{"pointer": "", "parameter": name, "detail": detail}]
    )


def uuid_or_none(text: str) -> UUID | None:
    """The id in a path, None when it is no UUID in canonical lower-case form, which all of ours are."""
    try:
        return canonical_uuid(text)
    except ValueError:
        return None


def documented(*codes: Code, headers: dict[str, Any] | None = None, **ok: Any) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, in the shape of FastAPI's `responses`: `codes` come beside those of every read."""
    return {200: {"headers": FRESHNESS | (headers or {}), **ok}, **problem_responses((*codes, *_EVERYWHERE), FRESHNESS)}
