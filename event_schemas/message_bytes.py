"""Messages as JSON bytes: exactly what pydantic's `model_dump_json(exclude_none=True)` gives for them, by orjson.

No gain over pydantic has been measured yet (docs/performance.md). The bytes are a promise: the same record gives the same bytes, in
every release. A property test holds both ways against each other, and golden records pin them.
"""

from decimal import Decimal
from typing import Any

import orjson
from pydantic import BaseModel

from event_schemas.values import decimal_text


def message_bytes(message: BaseModel) -> bytes:
    """The message's bytes, fields in the model's order, those without a value left out."""
    return orjson.dumps(_content(message), default=_plain, option=orjson.OPT_UTC_Z)


def _content(message: BaseModel) -> dict[str, Any]:
    return {name: value for name, value in message.__dict__.items() if value is not None}


def _plain(value: Any) -> Any:
    """What orjson does not know: amounts, and messages within messages."""
    if type(value) is Decimal:
        return decimal_text(value)
    # `isinstance(value, BaseModel)` would run Python code of pydantic's, for each value.
    if hasattr(value, "__pydantic_fields_set__"):
        return _content(value)
    raise TypeError  # orjson names the type
