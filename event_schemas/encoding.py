"""Messages as JSON bytes: fields in the order of their class, those without a value left out. Pure.

The bytes are a promise: the same record gives the same bytes, in every release. Golden messages pin them.
"""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.json import Encoder

_encode = Encoder().encode


def encoded(message: Struct) -> bytes:
    """The message's bytes."""
    return _encode(message)


def value_bytes(value: UUID | datetime) -> bytes:
    """An id or a time as it stands in a message's bytes, without the quotation marks; an order's id is the key of its records."""
    return _encode(value)[1:-1]
