"""Messages as JSON bytes: exactly what pydantic's `model_dump_json(exclude_none=True)` gives for them, by orjson.

The bytes are a promise: the same record gives the same bytes, in every release. A property test holds both ways against each other,
and golden records pin them.
"""

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, get_args
from uuid import UUID

import orjson
from pydantic import BaseModel

from event_schemas.values import decimal_text


def message_bytes(message: BaseModel) -> bytes:
    """The message's bytes, fields in the model's order, those without a value left out."""
    return orjson.dumps(_content(message), option=orjson.OPT_UTC_Z)


def value_bytes(value: UUID | datetime) -> bytes:
    """An id or a time as it stands in the message's bytes, without the quotation marks."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)[1:-1]


class _Fields(NamedTuple):
    """A model's fields that orjson is not handed as they are: those that may be None, amounts, a message, several messages."""

    optional: list[str]
    amounts: list[str]
    messages: list[str]
    lists: list[str]


def _content(message: BaseModel) -> dict[str, Any]:
    # Copied whole and changed where it must be: to look at each field takes twice as long.
    content = message.__dict__.copy()
    optional, amounts, messages, lists = _fields(type(message))
    for name in optional:
        if content[name] is None:
            del content[name]
    for name in amounts:
        content[name] = decimal_text(content[name])
    for name in messages:
        content[name] = _content(content[name])
    for name in lists:
        content[name] = [_content(one) for one in content[name]]
    return content


@cache
def _fields(model: type[BaseModel]) -> _Fields:
    kinds = {name: field.annotation for name, field in model.model_fields.items()}
    return _Fields(
        optional=[name for name, kind in kinds.items() if type(None) in get_args(kind)],
        amounts=[name for name, kind in kinds.items() if kind is Decimal],
        messages=[name for name, kind in kinds.items() if _is_message(kind)],
        lists=[name for name, kind in kinds.items() if any(map(_is_message, get_args(kind)))],
    )


def _is_message(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
