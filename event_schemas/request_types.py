"""The values of messages as pydantic types, for request bodies, queries and the feed's frames: the rules of `values.py`, nothing else."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Strict, ValidationError, WithJsonSchema

from event_schemas.registry import RECORD_KINDS
from event_schemas.values import AMOUNT, CURRENCY, CUSTOMER_ID, ID, SALES_CHANNEL, TEXT, Rule, in_utc, printable


class Request(BaseModel):
    """What a client sends: frozen, unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _ruled(rule: Rule) -> tuple[Strict, AfterValidator, WithJsonSchema]:
    return Strict(), AfterValidator(rule.check), WithJsonSchema(dict(rule.schema))


def _uuid(value: Any) -> Any:
    return ID.check(value) if isinstance(value, str) else value


def _amount(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('must be a decimal string such as "4.50", not a JSON number')
    return value


def _time_text(value: Any) -> Any:
    # pydantic would take a bare number for seconds since 1970 and a bare date for midnight: both are refused.
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("must be a time with an offset such as 2026-01-31T12:00:00Z")
    return value


def _record_type(value: str) -> str:
    if value not in RECORD_KINDS:
        raise ValueError(f"must be one of {', '.join(RECORD_KINDS)}")
    return value


def first_problem(error: ValidationError) -> str:
    """The first thing that a model found wrong, with the field's name, in a bounded number of printable characters."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # The client chose the field's name.
    return printable(f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}")


Text = Annotated[str, *_ruled(TEXT)]
CustomerId = Annotated[str, *_ruled(CUSTOMER_ID)]
Currency = Annotated[str, *_ruled(CURRENCY)]
SalesChannel = Annotated[str, *_ruled(SALES_CHANNEL)]
Amount = Annotated[str, AfterValidator(AMOUNT.check), BeforeValidator(_amount), WithJsonSchema(dict(AMOUNT.schema))]
Id = Annotated[UUID, BeforeValidator(_uuid), WithJsonSchema(dict(ID.schema))]
Time = Annotated[AwareDatetime, BeforeValidator(_time_text), AfterValidator(in_utc)]
RecordType = Annotated[str, Strict(), AfterValidator(_record_type), WithJsonSchema({"type": "string", "enum": list(RECORD_KINDS)})]
