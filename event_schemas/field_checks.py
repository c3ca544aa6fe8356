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

from event_schemas.messages import Pattern
from event_schemas.values import Check, Rule, in_utc, without_control_characters

MessageT = TypeVar("MessageT", bound=Struct)


class _Field(NamedTuple):
    """A field by its path from the message, with what its annotations say. `items`: the fields of what a list holds."""

    path: str
    type: Any
    notes: tuple[Any, ...]
    items: "tuple[_Field, ...]" = ()


def fields_of(kind: type[Struct], prefix: str = "") -> Iterator[_Field]:
    """Every field of a message, with what its annotations say. `prefix`: what stands before its path."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        plain, notes = _plain(hint)
        if get_origin(plain) is tuple:
            yield _Field(prefix + name, tuple, notes, tuple(fields_of(get_args(plain)[0])))
        else:
            yield _Field(prefix + name, plain, notes)


def _plain(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type without None and annotations, and these."""
    notes: tuple[Any, ...] = ()
    if get_origin(hint) in {Union, UnionType} and NoneType in get_args(hint):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if get_origin(hint) is Annotated:
        hint, *found = get_args(hint)
        notes = tuple(found)
    return hint, notes


def _reader(paths: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """One call that reads all these paths of a message."""
    if len(paths) > 1:
        return attrgetter(*paths)
    if not paths:
        return lambda _: ()
    read = attrgetter(paths[0])
    return lambda message: (read(message),)


class _Checks:
    """Checks on some fields of a message and of the items in its lists.

    A check raises ValueError for a wrong value, or gives None; its words say what would be right in the second case.
    """

    def __init__(self, fields: Sequence[_Field], checks_of: "_ChecksOf") -> None:
        checked = [(field.path, *found) for field in fields for found in checks_of(field)]
        self._named = [(path, words) for path, _, words in checked]
        self._checks = [(attrgetter(path), check) for path, check, _ in checked]
        lists = [(field.path, attrgetter(field.path), _Checks(field.items, checks_of)) for field in fields if field.items]
        self._lists = [found for found in lists if found[2]._checks]  # a list in a list would need another look here

    def pass_for(self, message: Any) -> bool:
        """Whether all of them pass. For checks that raise nothing."""
        for read, check in self._checks:
            value = read(message)
            if value is not None and check(value) is None:
                return False
        for _, items, of_item in self._lists:
            for item in items(message):
                for read, check in of_item._checks:
                    value = read(item)
                    if value is not None and check(value) is None:
                        return False
        return True

    def require(self, message: Any, prefix: str = "") -> None:
        """Raises ValueError with the first field that fails its check, and why."""
        for (path, words), (read, check) in zip(self._named, self._checks, strict=True):
            value = read(message)
            try:
                if value is not None and check(value) is None:
                    raise ValueError(words)
            except ValueError as error:
                raise ValueError(f"{prefix}{path}: {error}") from error
        for path, items, of_item in self._lists:
            for index, item in enumerate(items(message)):
                of_item.require(item, f"{prefix}{path}.{index}.")


_ChecksOf = Callable[[_Field], Sequence[tuple[Check, str]]]


def _patterns(field: _Field) -> Sequence[tuple[Check, str]]:
    return [(note.match, f"must match {note.expression}") for note in field.notes if isinstance(note, Pattern)]


def _rules(field: _Field) -> Sequence[tuple[Check, str]]:
    return [(note.check, "") for note in field.notes if isinstance(note, Rule)]


def _quick_rules(field: _Field) -> Sequence[tuple[Check, str]]:
    # The length is part of the shape.
    return [(note.quick, "") for note in field.notes if isinstance(note, Rule) and note.quick is not len]


def _control_characters(field: _Field) -> Sequence[tuple[Check, str]]:
    return [(without_control_characters, "")] if field.type is str else []


class FieldChecks:
    """The checks of one kind of message: `envelope` around `data`."""

    def __init__(self, envelope: type[Struct], data: type[Struct]) -> None:
        fields = [field for field in fields_of(envelope) if field.path != "data"] + list(fields_of(data, "data."))
        self._quick = _Checks(fields, lambda field: [*_patterns(field), *_quick_rules(field)])
        self._all = _Checks(fields, lambda field: [*_patterns(field), *_rules(field), *_control_characters(field)])
        self._times = [field.path for field in fields if field.type is datetime]
        self._read_times = _reader(self._times)
        self._across = hasattr(data, "check")

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
                changed[path] = in_utc(attrgetter(path)(message))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        inside = {path.removeprefix("data."): moment for path, moment in changed.items() if path.startswith("data.")}
        outside = {path: moment for path, moment in changed.items() if not path.startswith("data.")}
        return replace(message, **outside, data=replace(message.data, **inside))

    def require(self, message: Struct, *, plain: bool) -> None:
        """Raises ValueError with the first field that has not its shape or breaks its rule.

        `plain`: the message came in ASCII without control characters, so that its texts need not be looked through.
        """
        if not (plain and self._quick.pass_for(message)):
            self._all.require(message)
        if self._across:
            _across_fields(message)


def _across_fields(message: Any) -> None:
    try:
        message.data.check()
    except ValueError as error:
        raise ValueError(f"data.{error}") from error
