"""What may stand in the topics, made up: commands by today's rules, and messages by what a released schema allows."""

from contextlib import suppress
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from event_schemas.commands import CancelOrder, Command, CommandData, CreateOrder, Line, ShipOrder
from event_schemas.currencies import CURRENCIES, LAST_DAYS
from event_schemas.messages import MAX_VERSION
from event_schemas.registry import new_command
from event_schemas.values import AMOUNT, MAX_LINES, MAX_QUANTITY, MAX_TEXT, SALES_CHANNEL, Rule

_CONTROL = ("Cc", "Cs")
_OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_EARLIEST, _LATEST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001  # Hypothesis adds the offset
_TIMES = st.datetimes(_EARLIEST, _LATEST, timezones=_OFFSETS)
_KEY_HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)


def _texts(shortest: int = 1, longest: int = MAX_TEXT, without: str = "") -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=_CONTROL, exclude_characters=without)
    # The longest ones of one character, so that a message of many texts stays within what Hypothesis draws for one example.
    short = st.text(characters, min_size=shortest, max_size=min(longest, 20))
    return short | characters.map(lambda character: character * longest)


def _of_pattern(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(rf"\A{pattern[1:-1]}\Z", alphabet=st.characters(codec="ascii"))


def _longest(rule: Rule) -> str:
    """The longest text of one letter that the rule takes."""
    found = ""
    for length in range(1, 2 * MAX_TEXT):
        with suppress(ValueError):
            found = rule.check("a" * length)
    return found


_CHANNELS = _of_pattern(SALES_CHANNEL.schema["pattern"]) | st.just(_longest(SALES_CHANNEL))
_PRICES = _of_pattern(AMOUNT.schema["pattern"])
_LINES = st.builds(Line, sku=_texts(), quantity=st.integers(1, MAX_QUANTITY), unit_price=_PRICES)


@st.composite
def _new_orders(draw: st.DrawFn) -> CreateOrder:
    currency, at = draw(st.sampled_from(sorted(CURRENCIES))), draw(_TIMES)
    last = LAST_DAYS[currency]
    if last is not None and at.astimezone(UTC).date() > last:
        at = datetime.combine(last, time(23, 59, 59), UTC)
    lines = draw(st.lists(_LINES, min_size=1, max_size=3) | _LINES.map(lambda line: [line] * MAX_LINES))
    return CreateOrder(
        customer_id=draw(_texts(without="/")),
        currency=currency,
        lines=tuple(lines),
        ordered_at=at,
        reference=draw(st.none() | _texts()),
        sales_channel=draw(st.none() | _CHANNELS),
    )


def stories(order_id: UUID) -> st.SearchStrategy[list[Command]]:
    """Commands on an order, of every kind, with all that today's rules allow: an order that is changed, and more; or a change alone."""
    changes = st.builds(ShipOrder, tracking_number=_texts()) | st.builds(CancelOrder, reason=_texts())
    order, change = _commands(order_id, _new_orders(), [None]), _commands(order_id, changes, [None, 1])
    more = _commands(order_id, changes | _new_orders(), [None, 0, 2, MAX_VERSION])
    return st.builds(lambda *commands: list(commands), order, change, more) | st.lists(more, min_size=1, max_size=1)


def _commands(order_id: UUID, data: st.SearchStrategy[CommandData], expected: list[int | None]) -> st.SearchStrategy[Command]:
    return st.builds(
        new_command,
        data,
        command_id=st.uuids(),
        order_id=st.just(order_id),
        key_hash=st.none() | _KEY_HASHES,
        expected_version=st.sampled_from(expected),
        correlation_id=_texts(),
        issued_at=_TIMES,
        actor=_texts(),
    )


_NARROWER = {
    "currency": st.from_regex(r"\A[A-Z]{3}\Z"),
    "total": st.from_regex(r"\A[0-9]{1,17}(\.[0-9]{1,4})?\Z"),
    "unit_price": st.from_regex(r"\A[0-9]{1,17}(\.[0-9]{1,4})?\Z"),
    "expected_version": st.none() | st.integers(0, MAX_VERSION),
}
"""Where the shape is narrower than the released files, which say `string` and `integer` only. No release ever wrote anything else."""
_BY_TODAYS_RULES = {
    "currency": st.sampled_from(sorted(code for code, last in LAST_DAYS.items() if last is None)),
    "unit_price": _PRICES,
    "customer_id": _texts(without="/"),
}
"""Where the rules on commands are narrower."""


def _spelt(moment: datetime, *, fraction: str, small: bool) -> str:
    whole = moment.replace(microsecond=0).isoformat()
    text = whole[:-6] + fraction + whole[-6:].replace("+00:00", "Z")
    return text.lower() if small else text


_FORMATS = {
    # One spelling of an id only, in canonical form.
    "uuid": st.uuids().map(str),
    # No leap second, which no clock of ours shows, and no time outside the years 1 to 9999 in UTC.
    "date-time": st.builds(_spelt, _TIMES, fraction=st.from_regex(r"\A(\.[0-9]{1,9})?\Z"), small=st.booleans()),
}


def allowed_by(schema: dict[str, Any], *, by_todays_rules: bool = False) -> st.SearchStrategy[Any]:
    """Messages that a released schema allows, in every spelling; narrower where the shape is, and its reasons are beside it.

    `by_todays_rules`: only those that today's rules on commands allow, too.
    """
    return _made(schema, schema.get("$defs", {}), _NARROWER | (_BY_TODAYS_RULES if by_todays_rules else {}))


def _made(schema: dict[str, Any], parts: dict[str, Any], narrower: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    choices = [parts[one["$ref"].removeprefix("#/$defs/")] if "$ref" in one else one for one in schema.get("anyOf", [schema])]
    return st.one_of([_nested(choice, parts, narrower) if choice["type"] in {"array", "object"} else _plain(choice) for choice in choices])


def _nested(schema: dict[str, Any], parts: dict[str, Any], narrower: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    if schema["type"] == "array":
        return st.lists(_made(schema["items"], parts, narrower), min_size=schema.get("minItems", 0), max_size=3)
    fields = {name: narrower.get(name, _made(field, parts, narrower)) for name, field in schema["properties"].items()}
    required = {name: field for name, field in fields.items() if name in schema["required"]}
    optional = {name: field for name, field in fields.items() if name not in required}
    made = st.fixed_dictionaries(required, optional=optional)
    if schema.get("additionalProperties") is False:
        return made
    # An open message may hold fields of a later release.
    unknown = st.none() | st.integers() | _texts(0, 5) | st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2)
    return st.builds(lambda known, more: known | more, made, st.dictionaries(st.just("of_a_later_release"), unknown))


def _plain(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "const" in schema:
        return st.just(schema["const"])
    if schema["type"] == "null":
        return st.none()
    if schema["type"] == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if "format" in schema:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        return _of_pattern(schema["pattern"])
    # Control characters are no text of ours, though JSON Schema has no word for that.
    return _texts(schema.get("minLength", 0), schema.get("maxLength", 50))
