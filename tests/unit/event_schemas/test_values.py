"""The rules on values: each is one function, and its JSON Schema, the HTTP edge and the reader of commands take the same values."""

from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from command_api.requests import CancelOrderRequest, CreateOrderRequest, ShipOrderRequest, parse_request
from event_schemas import request_types
from event_schemas.commands import CommandData, InvalidCommand
from event_schemas.decoding import decode_command
from event_schemas.registry import new_command
from event_schemas.values import AMOUNT, CURRENCY, CUSTOMER_ID, ID, SALES_CHANNEL, TEXT, Rule, printable, without_control_characters
from tests.support.examples import examples
from tests.support.given import NOON, Envelope, cancel, create, ship
from tests.unit.event_schemas.generated import NEARLY, PRINTED

_RULES = {"text": TEXT, "customer": CUSTOMER_ID, "amount": AMOUNT, "currency": CURRENCY, "channel": SALES_CHANNEL, "id": ID}
_TYPES = {
    "text": request_types.Text,
    "customer": request_types.CustomerId,
    "amount": request_types.Amount,
    "currency": request_types.Currency,
    "channel": request_types.SalesChannel,
    "id": request_types.Id,
}
_TEXTS = st.one_of(
    st.sampled_from(NEARLY),
    PRINTED,
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.text("x/", min_size=198, max_size=202),
    st.from_regex(r"[0-9]{0,11}(\.[0-9]{0,5})?[ \n]?", fullmatch=True),
    st.from_regex(r"(0|1)[0]{7,9}[01](\.[01]{0,5})?", fullmatch=True),
    st.from_regex(r"[a-zA-Z0-9_-]{0,33}\n?", fullmatch=True),
    st.sampled_from(sorted(CURRENCY.schema["enum"])),
    st.text("ABEURUSDJPY", min_size=2, max_size=4),
    st.uuids().map(str),
    st.uuids().map(lambda one: str(one).upper()),
)
_ANYTHING = _TEXTS | st.sampled_from([None, True, False, 0, 1, 1.0, 1.5, -1, 100_000, 100_001, 2**63, [], {}, ["x"]])


def _takes(check: Any, value: Any) -> bool:
    try:
        check(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", _RULES)
@given(text=_TEXTS)
@settings(max_examples=examples(400))
def test_a_rule_and_its_json_schema_take_the_same_values(name: str, text: str):
    rule = _RULES[name]

    assert _takes(rule.check, text) == jsonschema_rs.validator_for(dict(rule.schema)).is_valid(text), ascii(text)


@pytest.mark.parametrize("name", _RULES)
@given(value=_ANYTHING)
@settings(max_examples=examples(400))
def test_the_type_of_the_http_edge_takes_what_its_rule_takes(name: str, value: Any):
    adapter, rule = TypeAdapter(_TYPES[name]), _RULES[name]
    try:
        taken = adapter.validate_python(value)
    except ValidationError:
        assert not isinstance(value, str) or not _takes(rule.check, value)
    else:
        assert isinstance(value, str)
        assert taken == rule.check(value)


@pytest.mark.parametrize("name", _RULES)
def test_the_type_of_the_http_edge_prints_its_rules_schema(name: str):
    assert TypeAdapter(_TYPES[name]).json_schema() == dict(_RULES[name].schema)


_PLACES: dict[str, tuple[Any, Any]] = {
    "customer_id": (CreateOrderRequest, create()),
    "currency": (CreateOrderRequest, create()),
    "reference": (CreateOrderRequest, create()),
    "sales_channel": (CreateOrderRequest, create()),
    "sku": (CreateOrderRequest, create()),
    "quantity": (CreateOrderRequest, create()),
    "unit_price": (CreateOrderRequest, create()),
    "lines": (CreateOrderRequest, create()),
    "tracking_number": (ShipOrderRequest, ship()),
    "reason": (CancelOrderRequest, cancel()),
    "unknown": (CreateOrderRequest, create()),
}


def _with(data: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    if name in {"sku", "quantity", "unit_price"}:
        return data | {"lines": [data["lines"][0] | {name: value}]}
    return data | {name: value}


def _both(name: str, value: Any) -> tuple[CommandData | None, CommandData | None]:
    """What the edge makes of a body, and the reader of a command with the same data; None: refused."""
    model, command = _PLACES[name]
    message = orjson.loads(command.encoded())
    message["data"] = _with(message["data"], name, value)
    at_the_edge = parse_request(model, orjson.loads(orjson.dumps(message["data"])), now=NOON)
    read = decode_command(orjson.dumps(message))
    return None if isinstance(at_the_edge, list) else at_the_edge, None if isinstance(read, InvalidCommand) else read.data


@pytest.mark.parametrize("name", _PLACES)
@given(value=_ANYTHING)
@settings(max_examples=examples(300))
def test_the_http_edge_and_the_reader_of_commands_take_the_same_values(name: str, value: Any):
    at_the_edge, read = _both(name, value)

    assert at_the_edge == read


@pytest.mark.parametrize("name", _PLACES)
@pytest.mark.parametrize("value", [*NEARLY, None, True, 0, 1, 1.0, 100_000, 100_001, [], {}], ids=lambda value: ascii(value)[:20])
def test_so_they_do_at_every_edge(name: str, value: Any):
    at_the_edge, read = _both(name, value)

    assert at_the_edge == read


@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_so_they_do_for_any_number_of_lines(count: int):
    at_the_edge, read = _both("lines", [{"sku": "tea", "quantity": 1, "unit_price": "1"}] * count)

    assert at_the_edge == read
    assert (read is not None) == (1 <= count <= 100)


@pytest.mark.parametrize("currency", ["HRK", "BGN", "EUR"])
@pytest.mark.parametrize("at", ["2022-12-31T12:00:00Z", "2023-01-14T23:59:59.999999Z", "2023-01-15T00:00:00Z", "2023-01-15T00:30:00+01:00"])
def test_so_they_do_for_currencies_that_were_withdrawn(currency: str, at: str):
    message = orjson.loads(create().encoded())
    message["data"] |= {"currency": currency, "ordered_at": at}
    at_the_edge = parse_request(CreateOrderRequest, message["data"], now=NOON)
    read = decode_command(orjson.dumps(message))

    assert isinstance(read, InvalidCommand) == isinstance(at_the_edge, list)
    assert isinstance(read, InvalidCommand) or read.data == at_the_edge


@given(at=_TEXTS | st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | st.datetimes().map(datetime.isoformat))
def test_whatever_time_the_edge_takes_the_reader_of_commands_reads(at: str):
    body = orjson.loads(create().encoded())["data"] | {"ordered_at": at}
    data = parse_request(CreateOrderRequest, body, now=datetime.max.replace(tzinfo=UTC, year=9998))
    if not isinstance(data, list):
        command = new_command(data, **Envelope().fields())
        assert decode_command(command.encoded()) == command


@given(st.text(st.characters(), max_size=20))
def test_what_is_shown_is_printable_and_what_is_printable_is_taken(text: str):
    assert printable(text).isprintable()
    assert len(printable(text * 50, 60)) == min(60, 50 * len(text))
    assert without_control_characters(printable(text)) == printable(text)


def test_a_rule_can_be_part_of_an_annotation():
    assert hash(Rule(str, {"a": []})), "annotations are hashed, and a schema is not hashable"
