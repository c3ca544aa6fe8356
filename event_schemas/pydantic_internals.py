"""Values built from parts that are valid already: what pydantic's `model_construct` and `UUID` give, with less work.

Only for parts that were validated by the same types, or made by this code. Tests hold the results against the slow way.
"""

from typing import Any, TypeVar
from uuid import UUID, SafeUUID

from pydantic import BaseModel

ModelT = TypeVar("ModelT", bound=BaseModel)
_FIELD_SETS: dict[type[BaseModel], set[str]] = {}
# pydantic's own slots: a frozen model refuses assignment, and to look each up by its name takes half as long again.
_set_fields, _set_field_names, _set_extra, _set_private = (
    vars(BaseModel)[slot].__set__ for slot in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
_new = object.__new__
_set = object.__setattr__
_UNKNOWN = SafeUUID.unknown
_VERSION_5 = (5 << 76) | (1 << 63)
_KEPT = (1 << 128) - 1 - (0xF << 76) - (0b11 << 62)


def constructed(model: type[ModelT], fields: dict[str, Any]) -> ModelT:
    """The model with exactly these fields: all of them, in the model's order, defaults included. The dictionary is taken over."""
    made = _new(model)
    _set_fields(made, fields)
    # One set for all: frozen models never change it, and a copy of a model copies it.
    _set_field_names(made, _FIELD_SETS.get(model) or _FIELD_SETS.setdefault(model, set(model.model_fields)))
    _set_extra(made, None)
    _set_private(made, None)
    return made


def uuid_of(number: int) -> UUID:
    """The UUID that is this number of 128 bits."""
    made = _new(UUID)
    _set(made, "int", number)
    _set(made, "is_safe", _UNKNOWN)
    return made


def version_5(digest: bytes) -> UUID:
    """The UUID, version 5, of the first 16 bytes of a SHA-1."""
    return uuid_of(int.from_bytes(digest[:16]) & _KEPT | _VERSION_5)
