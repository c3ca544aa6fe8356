"""The differences between the reader before and today's that are wanted, each by its name. Any other one is a fault.

A rule sees one message with both answers. It looks at the member that one reader refuses and the other takes, so a difference in
another member is not taken for it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from event_schemas.currencies import CURRENCIES
from event_schemas.registry import COMMAND_KINDS, RECORD_KINDS
from event_schemas.upcasters import upcast
from tests.support.readers.after import Answer
from tests.support.readers.mutated import Message

_TAKEN = {"command", "counts", "void"}
_REFUSED = {"invalid", "unreadable", "garbage"}
_TIMES = {"issued_at", "occurred_at", "ordered_at", "shipped_at", "cancelled_at"}
_INT32 = 2**31 - 1
_KNOWN_BEFORE = {"CreateOrder": 2, "OrderCreated": 2} | dict.fromkeys(
    ("ShipOrder", "CancelOrder", "OrderShipped", "OrderCancelled", "CommandRejected"), 1
)
_PATH = re.compile(r"(?:is no (?:record|command): )?([\w.]*?):? ")
_CLOSED = re.compile(r"Object (?:missing required|contains unknown) field")


class Case(NamedTuple):
    """A message of which the readers say something else. `field`: the member that is refused; `found`: what stands there."""

    topic: str
    before: Answer
    after: Answer
    field: str
    found: Any

    @property
    def name(self) -> str:
        """The member's own name."""
        return self.field.rpartition(".")[2]

    @property
    def wider(self) -> bool:
        """Refused before, taken today."""
        return self.before.verdict in _REFUSED and self.after.verdict in _TAKEN

    @property
    def narrower(self) -> bool:
        """Taken before, refused today."""
        return self.before.verdict in _TAKEN and self.after.verdict in _REFUSED

    def text(self, pattern: str) -> bool:
        """Is the member a text like this?"""
        return isinstance(self.found, str) and re.fullmatch(pattern, self.found, re.ASCII | re.DOTALL) is not None

    def time(self, pattern: str) -> bool:
        """Is the member a time like this?"""
        return self.name in _TIMES and self.text(pattern)


def _released(case: Case) -> bool:
    """Does this release write a later version of this type than the reader before knew?"""
    return any(
        f"is {name!r} of schema_version {version}," in case.before.reason
        for name, kind in (COMMAND_KINDS | RECORD_KINDS).items()
        for version in range(_KNOWN_BEFORE.get(name, 0) + 1, kind.version + 1)
    )


def _whole(found: Any, above: int) -> bool:
    return type(found) is int and above < found <= _INT32


RULES: Mapping[str, Callable[[Case], bool]] = {
    "unknown_type": lambda case: (
        case.before.verdict in _REFUSED
        and case.after.verdict in {"newer", "void"}
        and ("unknown type" in case.before.reason or case.before.reason.startswith("type: must be"))
    ),
    "version_that_was_released_since": lambda case: (
        case.before.verdict == "newer" and case.after.verdict not in {"newer", "void"} and _released(case)
    ),
    "newer_version_without_a_readable_head": lambda case: (
        case.before.verdict in {"newer", "void"}
        and case.after.verdict in _REFUSED
        and (case.name in {"id", "order_id", "command_id", "type"} or _CLOSED.search(case.after.reason) is not None)
    ),
    "deep_nesting_that_ended_the_reader_before": lambda case: (
        case.before.verdict == "raises RecursionError" and case.after.verdict in _REFUSED
    ),
    "schema_version_beyond_32_bits": lambda case: (
        case.after.verdict in _REFUSED and case.name == "schema_version" and type(case.found) is int and case.found > _INT32
    ),
    "record_currency_of_any_list": lambda case: case.topic == "record" and case.wider and case.name == "currency" and case.text("[A-Z]{3}"),
    "command_currency_that_was_withdrawn": lambda case: (
        case.topic == "command" and case.wider and case.name == "currency" and case.found in CURRENCIES
    ),
    "record_text_of_any_length": lambda case: (
        case.topic == "record" and case.wider and isinstance(case.found, str) and not 0 < len(case.found) <= 200
    ),
    "record_customer_id_with_a_slash": lambda case: (
        case.topic == "record" and case.wider and case.name == "customer_id" and case.text(".*/.*")
    ),
    "record_channel_of_any_spelling": lambda case: (
        case.topic == "record" and case.wider and case.field == "data.sales_channel" and isinstance(case.found, str)
    ),
    "record_number_beyond_the_doors_bound": lambda case: (
        case.topic == "record"
        and case.wider
        and (
            (case.name == "quantity" and _whole(case.found, 100_000)) or (case.field == "data.units" and _whole(case.found, 100 * 100_000))
        )
    ),
    "record_amount_beyond_the_doors_bound": lambda case: (
        case.topic == "record" and case.wider and case.name == "unit_price" and case.text(r"[0-9]{10,17}(\.[0-9]{1,4})?")
    ),
    "record_number_beyond_any_float_in_a_member_that_is_passed_over": lambda case: (
        case.topic == "record" and case.wider and "number is infinity" in case.before.reason
    ),
    "time_with_a_blank": lambda case: case.wider and case.time(r"[0-9-]{10} .*"),
    "time_without_seconds": lambda case: case.narrower and case.time(r".*T[0-9]{2}:[0-9]{2}(Z|[+-].*)"),
    "time_that_would_round_past_the_year_9999": lambda case: case.narrower and case.time(r"9999-12-31T23:59:59\.9999999Z"),
    "time_with_a_comma": lambda case: case.narrower and case.time(r".*:[0-9]{2},[0-9]+(Z|[+-].*)"),
    "time_with_another_minus": lambda case: case.narrower and case.time(r"[0-9T:.-]{19,}\u2212[0-9:]+"),
    "version_that_is_no_whole_number": lambda case: (
        case.narrower and case.field in {"version", "expected_version"} and type(case.found) is not int
    ),
    "expected_version_beyond_32_bits": lambda case: (
        case.narrower and case.field == "expected_version" and type(case.found) is int and case.found > _INT32
    ),
    "command_offset_beyond_63_bits": lambda case: case.narrower and "command_offset is missing or no offset" in case.after.reason,
}
"""By name, for verdicts that differ."""


def _rounded(before: Any, after: Any) -> bool:
    try:
        return timedelta(0) < datetime.fromisoformat(after) - datetime.fromisoformat(before) <= timedelta(microseconds=1)
    except (TypeError, ValueError):
        return False


def _decimal(text: Any) -> Decimal | None:
    return Decimal(text) if isinstance(text, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII) else None


VALUES: Mapping[str, Callable[[str, Any, Any], bool]] = {
    "amount_keeps_its_leading_zeros": lambda name, before, after: (
        name in {"unit_price", "total"} and after.startswith("0") and _decimal(before) == _decimal(after) is not None
    ),
    "time_is_rounded_to_the_microsecond": lambda name, before, after: name in _TIMES and _rounded(before, after),
    "rejection_keeps_text_that_is_not_printable": lambda name, before, after: (
        name in {"actor", "correlation_id", "type"} and isinstance(after, str) and not after.isprintable()
    ),
    "rejection_of_a_time_of_another_spelling": lambda name, before, after: (
        name == "issued_at" and "1970-01-01T00:00:00Z" in {before, after}
    ),
}
"""By name, for values that differ under the same verdict: a member's name, and its value before and after."""

NAMES = (*RULES, *VALUES)
UNNAMED = "unnamed"


def names_of(message: Message, before: Answer, after: Answer) -> list[str]:
    """The names of what differs; `UNNAMED` for what none of the rules says. Empty when nothing differs."""
    if before.verdict != after.verdict:
        case = _case(message, before, after)
        return [next((name for name, rule in RULES.items() if rule(case)), UNNAMED)]
    if before.value == after.value:
        return []
    pairs = list(_leaves("", _parsed(before.value), _parsed(after.value)))
    return sorted({next((name for name, rule in VALUES.items() if rule(*pair)), UNNAMED) for pair in pairs}) or [UNNAMED]


def _case(message: Message, before: Answer, after: Answer) -> Case:
    reason = before.reason if before.verdict in _REFUSED else after.reason
    matched = _PATH.match(reason)
    field = matched.group(1) if matched else ""
    return Case(message.topic, before, after, field, _at(message.value, field))


def _at(value: bytes, path: str) -> Any:
    try:
        found = orjson.loads(value)
        for part in path.split("."):
            found = found[int(part)] if isinstance(found, list) else found[part]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return found


def _parsed(value: str) -> Any:
    """What is written again; before a record stands its command's offset."""
    offset, _, rest = value.partition(" ") if value[:1].isdigit() else ("", "", value)
    message = json.loads(rest)
    kind = (COMMAND_KINDS | RECORD_KINDS).get(message["type"])
    # An upcaster of a later release must not look like a fault here.
    return {"command_offset": offset, "message": upcast(message, kind.steps) if kind and "schema_version" in message else message}


def _leaves(name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The values that differ, each with its member's name."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key in before:
            yield from _leaves(key, before[key], after[key])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from _leaves(name, one, other)
    elif before != after:
        yield name, before, after
