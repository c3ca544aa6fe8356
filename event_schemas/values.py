"""The rules on values that clients send, each a plain function and what JSON Schema can say of it. Pure.

The HTTP edge (`request_types.py`) and the reading of commands (`decoding.py`) apply the same rules, and OpenAPI prints them. They may
become wider or narrower with a release. Records are never read by them: what counted once counts for ever (`messages.py`).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from event_schemas.currencies import CURRENCIES, currency_code

MAX_TEXT = 200
_SHOWN = 300
"""Characters of a problem that are told."""
MAX_LINES = 100
MAX_QUANTITY = 100_000
MAX_AMOUNT = Decimal(1_000_000_000)
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,4})?")
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule on a value. `check` returns the value, or raises ValueError with what would be right; `schema`: as JSON Schema.

    `quick`: for a text of 1 to 200 characters that came in ASCII without control characters; gives None when `check` must be asked.
    """

    check: Check
    schema: Mapping[str, Any]
    quick: Check = len


def without_control_characters(text: str) -> str:
    """The text. Raises ValueError when it holds a control character (Unicode category Cc) or half of a surrogate pair."""
    if text.isprintable():  # nearly all are, and this is quick
        return text
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs"}:
            raise ValueError(f"must hold no control characters or lone surrogates, found U+{ord(character):04X}")
    return text


def printable(text: str, limit: int = _SHOWN) -> str:
    """The text's beginning, fit to be shown: a database refuses some characters, a terminal obeys others."""
    return "".join(character if character.isprintable() else "?" for character in text[:limit])


def printable_text(text: str) -> str:
    """Text of 1 to 200 characters without control characters. Raises ValueError."""
    if not 0 < len(text) <= MAX_TEXT:
        raise ValueError(f"must have 1 to {MAX_TEXT} characters")
    return text if text.isprintable() else without_control_characters(text)


def customer_id(text: str) -> str:
    """Text that can stand in a path, without control characters. Raises ValueError."""
    if "/" in text:
        raise ValueError("must hold no '/', for it stands in a path")
    return printable_text(text)


def amount(text: str) -> str:
    """Decimal text from 0 to 1,000,000,000 with at most 4 decimals, as it came. Raises ValueError."""
    if not _AMOUNT.fullmatch(text):
        raise ValueError("must be a decimal string from 0 to 1,000,000,000 with at most 4 decimals and no exponent")
    if len(text) > 9 and Decimal(text) > MAX_AMOUNT:
        raise ValueError("must be at most 1,000,000,000")
    return text


def sales_channel(text: str) -> str:
    """A channel's name: any name, because a closed list could never grow (docs/schemas.md). Raises ValueError."""
    if not _CHANNEL.fullmatch(text):
        raise ValueError("must be a name of at most 32 small letters, digits, - and _, such as web")
    return text


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError when it has no place there in the years 1 to 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be a time between the years 1 and 9999 in UTC") from error


def canonical_uuid(text: str) -> UUID:
    """The UUID. Raises ValueError unless the text is its canonical lower-case form."""
    if not _UUID.fullmatch(text):
        raise ValueError("must be a UUID in canonical lower-case form")
    return UUID(text)


TEXT = Rule(
    check=printable_text,
    schema={"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"},
)
CUSTOMER_ID = Rule(
    check=customer_id,
    schema={**TEXT.schema, "pattern": r"^[^\u0000-\u001f\u007f-\u009f/]*$", "examples": ["ada"]},
    quick=re.compile("[^/]+").fullmatch,
)
AMOUNT = Rule(
    check=amount,
    schema={
        "type": "string",
        "pattern": r"^([0-9]{1,9}(\.[0-9]{1,4})?|0[0-9]{9}(\.[0-9]{1,4})?|1000000000(\.0{1,4})?)$",
        "description": "A decimal string from 0 to 1,000,000,000 with at most 4 decimals; JSON numbers are refused",
        "examples": ["4.50"],
    },
    quick=re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?").fullmatch,
)
CURRENCY = Rule(
    check=currency_code,
    schema={
        "type": "string",
        "enum": sorted(CURRENCIES),
        "description": "ISO 4217; one that was withdrawn is refused unless the order was placed on its last day or before",
    },
    quick=dict.fromkeys(CURRENCIES, True).get,
)
SALES_CHANNEL = Rule(
    check=sales_channel,
    schema={
        "type": "string",
        "pattern": f"^{_CHANNEL.pattern}$",
        "description": "Where it was sold, such as web, shop or phone: any name in small letters",
    },
    quick=_CHANNEL.fullmatch,
)
ID = Rule(
    check=canonical_uuid,
    schema={"type": "string", "format": "uuid", "pattern": f"^{_UUID.pattern}$"},
)
