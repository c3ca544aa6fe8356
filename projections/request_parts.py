"""The parts of a request that the queries read, and how their refusals look."""

import re
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field

from event_schemas.codes import STATUS, Code
from event_schemas.values import CustomerId
from infra.problems import MEDIA_TYPE, Problem
from projections.queries import OrderStatus

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(value: object) -> object:
    # pydantic would take a bare number for seconds since 1970.
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-01-31")
    return value


_WAIT = "A position: wait at most 5 s until the read models hold it"
Day = Annotated[date, BeforeValidator(_day)]
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
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None


def problem_responses(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the refusals of a route, in the shape of FastAPI's `responses`."""
    by_status: dict[int | str, list[Code]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": " or ".join(f"`{code}`" for code in group), "content": content} for status, group in by_status.items()}
