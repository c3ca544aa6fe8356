"""What messages are made of: frozen structs, and the shapes of their fields. Pure.

A shape says which bytes are such a value at all. It never changes, so a record that counted once counts for ever. Which values a
client may send is said by rules, which may change: `event_schemas/values.py`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

_LARGEST_INTEGER = 2**31 - 1


@dataclass(frozen=True)
class Pattern:
    """The shape of a text. msgspec has patterns, too; its own take three times as long to match."""

    expression: str

    @property
    def match(self) -> Callable[[str], object]:
        """Gives None for another text."""
        return re.compile(self.expression).fullmatch


class Closed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A command, or a part of one: unknown fields are refused. A field without a value is left out of the bytes."""


class Open(Struct, frozen=True, omit_defaults=True, gc=False):
    """A record, or a part of one: unknown fields are ignored, because a later release may have added them."""


Id = UUID
"""A UUID in canonical lower-case text."""
Time = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with an offset; read into UTC, to the microsecond."""
Amount = Annotated[str, Pattern(r"[0-9]{1,17}(\.[0-9]{1,4})?")]
"""Decimal text, exact: `Decimal(amount)` is its value. Sums are made of Decimals, messages carry the text."""
CurrencyCode = Annotated[str, Pattern("[A-Z]{3}")]
Quantity = Annotated[int, Meta(ge=1, le=_LARGEST_INTEGER)]
SchemaVersion = Annotated[int, Meta(ge=1, le=_LARGEST_INTEGER)]
OrderVersion = Annotated[int, Meta(ge=0, le=_LARGEST_INTEGER)]
MAX_VERSION = _LARGEST_INTEGER
KEY_HASH = Pattern("[0-9a-f]{64}")
KeyHash = Annotated[str, KEY_HASH]
"""SHA-256 of an Idempotency-Key with its scope, in hexadecimal."""
