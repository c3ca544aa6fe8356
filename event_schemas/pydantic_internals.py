"""What goes past pydantic's public interface, for its speed. Tests hold every result against the public way.

`constructed`, `uuid_of` and `version_5` build values from parts that are valid already: what `model_construct` and `UUID` give, with
less work. `PlainReader` reads a message by schemas whose rules run in Rust, and asks the model itself about what they refuse.
"""

from typing import Any, TypeVar, cast
from uuid import UUID, SafeUUID

from pydantic import BaseModel
from pydantic_core import CoreSchema, SchemaValidator, ValidationError

from event_schemas.values import PLAIN_FORMS

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


class PlainReader:
    """Reads messages of one model exactly as `model.model_validate` does, quicker."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._thorough = model.model_validate
        # Without the last argument pydantic takes the models' own validators, which call the rules in Python.
        self._plain = SchemaValidator(plain_schema(model.__pydantic_core_schema__), _use_prebuilt=False).validate_python

    def read(self, message: Any, *, context: Any = None) -> Any:
        """The message as an instance of the model. Raises pydantic's ValidationError with the model's own reasons.

        `context`: for those rules of the model that ask for one.
        """
        try:
            return self._plain(message, context=context)
        except ValidationError:
            return self._thorough(message, context=context)


def plain_schema(schema: CoreSchema) -> CoreSchema:
    """The same schema for plain forms; a rule of which none are known stays as it is."""
    return cast("CoreSchema", _plain(schema))


def _plain(node: Any) -> Any:
    match node:
        case {"type": "function-after" | "function-before", "function": {"function": rule}, "schema": under} if rule in PLAIN_FORMS:
            return PLAIN_FORMS[rule](_plain(under))
        case dict():
            return {name: _plain(value) for name, value in node.items()}
        case list():
            return [_plain(one) for one in node]
        case _:
            return node
