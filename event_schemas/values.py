"""The values that messages are made of: bounded texts, exact money, zoned times, canonical ids."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

import pycountry
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
)
from pydantic_core import CoreSchema, core_schema

CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)
MAX_AMOUNT = Decimal(1_000_000_000)
MAX_LINES = 100
MAX_QUANTITY = 100_000
MAX_UNITS = MAX_LINES * MAX_QUANTITY
_TOTAL = re.compile(r"\d{1,17}(\.\d{1,4})?", re.ASCII)
_AMOUNT = re.compile(r"\d{1,10}(\.\d{1,4})?", re.ASCII)


class Closed(BaseModel):
    """A message we write, or a command we are sent: frozen, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Open(BaseModel):
    """A message we read back: frozen, unknown fields are ignored, because a later release may have added them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _without_control_characters(text: str) -> str:
    if text.isprintable():  # nearly all are, and this is quick
        return text
    for character in text:
        category = unicodedata.category(character)
        if category in {"Cc", "Cs"}:
            raise ValueError(f"must hold no control characters or lone surrogates, found U+{ord(character):04X}")
    return text


def _without_slash(text: str) -> str:
    if "/" in text:
        raise ValueError("must hold no '/', for it stands in a path")
    return text


def _amount(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('must be a decimal string such as "4.50", not a JSON number')
    if not _AMOUNT.fullmatch(value):
        raise ValueError("must be a decimal string from 0 to 1,000,000,000 with at most 4 decimals and no exponent")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:  # unreachable behind the pattern; named so that nothing else can leave
        raise ValueError("must be a decimal string") from error
    if amount > MAX_AMOUNT:
        raise ValueError("must be at most 1,000,000,000")
    return amount


def _total(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not _TOTAL.fullmatch(value):
        raise ValueError("must be a decimal string of at most 17 digits and 4 decimals")
    return Decimal(value)


def decimal_text(amount: Decimal) -> str:
    """The amount in plain decimal notation, never with an exponent, decimals as they came."""
    text = str(amount)
    return text if "E" not in text else format(amount, "f")  # `str` is quicker, and enough for nearly every amount


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be an ISO 4217 currency code in capitals, such as EUR")
    return code


def _canonical_uuid(value: Any) -> Any:
    if isinstance(value, str):
        try:
            canonical = str(UUID(value))
        except ValueError as error:
            raise ValueError("must be a UUID") from error
        if canonical != value:
            raise ValueError("must be a UUID in canonical lower-case form")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be a time between the years 1 and 9999 in UTC") from error


def _time_text(value: Any) -> Any:
    # pydantic would take a bare number for seconds since 1970 and a bare date for midnight: both are refused.
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("must be a time with an offset such as 2026-01-31T12:00:00Z")
    return value


Text = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=200), AfterValidator(_without_control_characters)]
CustomerId = Annotated[Text, AfterValidator(_without_slash)]
Words = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_without_control_characters)]
"""Text that we write ourselves, such as a reason; bounded, so that a database takes it."""
Amount = Annotated[Decimal, BeforeValidator(_amount, json_schema_input_type=str), PlainSerializer(decimal_text, return_type=str)]
"""A price that a client sent: a decimal string, 0 to 1,000,000,000, at most 4 decimals."""
Total = Annotated[Decimal, BeforeValidator(_total, json_schema_input_type=str), PlainSerializer(decimal_text, return_type=str)]
"""An exact sum of an order's amounts."""
Currency = Annotated[str, Strict(), AfterValidator(_currency)]
Quantity = Annotated[int, Strict(), Field(ge=1, le=MAX_QUANTITY)]
Units = Annotated[int, Strict(), Field(ge=1, le=MAX_UNITS)]
SalesChannel = Annotated[str, Strict(), StringConstraints(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]
"""The name of a channel such as `web`, `shop` or `phone`: any name, because a closed list could never grow (docs/schemas.md)."""
SchemaVersion = Annotated[int, Strict(), Field(ge=1)]
KeyHash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256 of an Idempotency-Key with its scope, in hexadecimal."""
Id = Annotated[UUID, BeforeValidator(_canonical_uuid, json_schema_input_type=str)]
Time = Annotated[AwareDatetime, BeforeValidator(_time_text, json_schema_input_type=str), AfterValidator(_in_utc)]


class Line(Closed):
    """One line of an order."""

    sku: Text
    quantity: Quantity
    unit_price: Amount


def _and(text: CoreSchema, pattern: str) -> CoreSchema:
    """The text schema, restricted to this pattern as well."""
    if text["type"] == "str" and "pattern" not in text:
        return {**text, "pattern": pattern}
    return core_schema.chain_schema([text, core_schema.str_schema(pattern=pattern)])


def _text_like(pattern: str, then: CoreSchema) -> CoreSchema:
    return core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=pattern), then])


_DECIMAL = core_schema.no_info_plain_validator_function(Decimal)
PLAIN_FORMS: Mapping[Callable[..., Any], Callable[[CoreSchema], CoreSchema]] = {
    _without_control_characters: lambda text: _and(text, r"^\P{Cc}*$"),
    _without_slash: lambda text: _and(text, "^[^/]*$"),
    _currency: lambda _: core_schema.literal_schema(sorted(CURRENCIES)),
    _canonical_uuid: lambda uuid: _text_like("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", uuid),
    # One digit less than the largest amount has. `Decimal` itself: pydantic's schema of it also asks whether it is a finite number.
    _amount: lambda _: _text_like(r"^[0-9]{1,9}(\.[0-9]{1,4})?$", _DECIMAL),
    _total: lambda _: _text_like(r"^[0-9]{1,17}(\.[0-9]{1,4})?$", _DECIMAL),
    _in_utc: lambda _: _text_like(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-2][0-9]:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$",
        core_schema.no_info_plain_validator_function(datetime.fromisoformat),
    ),
}
"""For each rule above that is written in Python: how pydantic's compiled core reads the forms that nearly all values have.

Each function maps the schema under a rule to a schema that accepts a subset of what the rule accepts, and reads it as the same value
(tested). A rejection means: ask the rule (event_schemas/pydantic_internals.py).
"""
