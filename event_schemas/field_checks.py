"""What a message's shape can't say, checked on its fields: rules, control characters, and times that are read into UTC. Pure.

Everything follows from the annotations of the message's class, looked at once.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from event_schemas.values import Rule, without_control_characters

MessageT = TypeVar("MessageT", bound=Struct)
Check = Callable[[Any], Any]


class _Field(NamedTuple):
    """A field by its path from the message. `items`: the fields of what a list holds."""

    path: str
    type: Any
    checks: tuple[Check, ...]
    items: "tuple[_Field, ...]" = ()


def _fields(kind: type[Struct], prefix: str = "") -> Iterator[_Field]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        plain, checks = _plain(hint)
        if get_origin(plain) is tuple:
            yield _Field(prefix + name, tuple, checks, tuple(_fields(get_args(plain)[0])))
        else:
            yield _Field(prefix + name, plain, checks)


def _plain(hint: Any) -> tuple[Any, tuple[Check, ...]]:
    """The type without None and annotations, and the rules among these."""
    checks: tuple[Check, ...] = ()
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = (one for one in get_args(hint) if one is not NoneType) if NoneType in get_args(hint) else (hint,)
    if get_origin(hint) is Annotated:
        checks = tuple(note.check for note in hint.__metadata__ if isinstance(note, Rule))
        hint = get_args(hint)[0]
    return hint, checks


def _values(paths: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """One call that reads all these paths of a message."""
    if len(paths) > 1:
        return attrgetter(*paths)
    if not paths:
        return lambda _: ()
    read = attrgetter(paths[0])
    return lambda message: (read(message),)


class FieldChecks:
    """The checks of one kind of message: `envelope` around `data`."""

    def __init__(self, envelope: type[Struct], data: type[Struct]) -> None:
        fields = [field for field in _fields(envelope) if field.path != "data"] + list(_fields(data, "data."))
        self._ruled = [(field.path, check) for field in fields for check in field.checks]
        self._texts = [(field.path, without_control_characters) for field in fields if field.type is str]
        self._times = [field.path for field in fields if field.type is datetime]
        self._lists = [field for field in fields if field.items]
        self._read_times = _values(self._times)
        self._check_data = hasattr(data, "check")

    def in_utc(self, message: MessageT) -> MessageT:
        """The message with its times in UTC. Raises ValueError when a time has no place in the years 1 to 9999 there."""
        for moment in self._read_times(message):
            if moment.tzinfo is not UTC:
                moved: MessageT = self._moved(message)
                return moved
        return message

    def _moved(self, message: Any) -> Any:
        changed: dict[str, Any] = {}
        for path in self._times:
            try:
                changed[path] = attrgetter(path)(message).astimezone(UTC)
            except OverflowError as error:
                raise ValueError(f"{path}: must be a time between the years 1 and 9999 in UTC") from error
        inside = {path.removeprefix("data."): moment for path, moment in changed.items() if path.startswith("data.")}
        outside = {path: moment for path, moment in changed.items() if not path.startswith("data.")}
        return replace(message, **outside, data=replace(message.data, **inside))

    def rules(self, message: Struct) -> None:
        """Raises ValueError with the first field that breaks its rule, and the rule."""
        self._each(message, self._ruled, lambda field: [(field.path, check) for check in field.checks])
        if self._check_data:
            _named("data.", message)

    def texts(self, message: Struct) -> None:
        """Raises ValueError with the first text that holds a control character."""
        self._each(message, self._texts, lambda field: [(field.path, without_control_characters)] if field.type is str else [])

    def _each(self, message: Struct, checks: Sequence[tuple[str, Check]], of_item: Callable[[_Field], Sequence[tuple[str, Check]]]) -> None:
        _apply(message, checks, "")
        for listed in self._lists:
            of_items = [one for field in listed.items for one in of_item(field)]
            for index, item in enumerate(attrgetter(listed.path)(message)):
                _apply(item, of_items, f"{listed.path}.{index}.")


def _named(prefix: str, message: Any) -> None:
    try:
        message.data.check()
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from error


def _apply(message: Any, checks: Sequence[tuple[str, Check]], prefix: str) -> None:
    for path, check in checks:
        value = attrgetter(path)(message)
        try:
            if value is not None:
                check(value)
        except ValueError as error:
            raise ValueError(f"{prefix}{path}: {error}") from error
