"""The quick reading of messages takes nothing that the models refuse, and reads everything as they do."""

import copy
import sys
from datetime import UTC, datetime
from functools import partial

import orjson
import pytest
from event_schemas.pydantic_internals import PlainReader
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from command_api.requests import CreateOrderRequest
from event_schemas.commands import COMMAND_TYPES, CancelOrder, ShipOrder
from event_schemas.decoding import decode_command, decode_record
from event_schemas.events import RECORD_TYPES
from tests.support.examples import examples
from tests.support.golden import FOLDER

MODELS = {**RECORD_TYPES, **{model.model_fields["type"].default: model for model in COMMAND_TYPES}}
READERS = {kind: PlainReader(model) for kind, model in MODELS.items()}
FILES = sorted(FOLDER.glob("*.record.json")) + sorted(FOLDER.glob("*.command.json"))
MESSAGES = [orjson.loads(path.read_bytes()) for path in FILES]
GOOD = [message for message in MESSAGES if message["type"] in MODELS]

ID = "00000000-0000-4000-8000-00000000000a"
NEARLY = [
    *(ID, ID.upper(), ID.replace("-", ""), "{" + ID + "}", f"urn:uuid:{ID}", ID + "\n", "0000000-00000-4000-8000-00000000000a"),
    *("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.1Z", "2026-01-31T12:00:00.1234567Z"),
    *("2026-01-31T12:00:00+01:00", "2026-01-31t12:00:00z", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-01-31", "20260131T120000Z"),
    *("2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T29:00:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:60:00Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "2026-13-01T00:00:00Z"),
    *("0", "0.0", "00.10", "9.0000", "9.00000", "999999999.9999", "1000000000", "1000000000.0000", "1000000000.0001", "1000000001"),
    *("9999999999", "12345678901234567.1234", "123456789012345678", "-1", "+1", "1e3", "1_0", ".5", "5.", "NaN", "Infinity", " 1", "٣"),
    *("EUR", "eur", "XXX", "EURO", "web", "Web", "a/b", "tab\t", "new\n", "\x7f", "\x85", "\0", "\u2028", "\u200b", "\ufeff", "\U000e0001"),
    *("", "x" * 200, "x" * 201, "☕" * 200, "x" * 2000, "x" * 2001, "f" * 64, "F" * 64, "f" * 64 + "\n"),
    *("OrderCreated", "CreateOrder"),
]
TIMES = [
    *(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32), st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)),
    *(st.sampled_from(["", ".", ".5", ".123456", ".1234567"]), st.sampled_from(["", "Z", "z", "+00:00", "-23:59", "+25:00"])),
]
VALUES = st.one_of(
    st.sampled_from(NEARLY),
    st.text(max_size=5),
    st.text(alphabet="0123456789.-:TZ+/ \n", max_size=28),
    st.decimals(min_value=0, max_value=10**18, places=4).map(lambda amount: f"{amount:f}"),
    st.builds("{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}{}".format, *TIMES),
    st.integers(min_value=-(2**63), max_value=2**63),
    st.sampled_from([None, True, False, 0, 1, 1.0, 2, -1, 1.5, 100_000, 100_001, 10_000_000, 10_000_001, 2**31 - 1, 2**31, [], {}, [{}]]),
)


def places(message, path=()):
    """Every field of a message, however deep."""
    for name, value in message.items() if isinstance(message, dict) else enumerate(message):
        yield (*path, name)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, name))


@st.composite
def messages(draw):
    """A golden message with up to three fields changed, dropped or added."""
    message = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 3))):
        *path, name = draw(st.sampled_from(list(places(message))))
        holder = message
        for step in path:
            holder = holder[step]
        match draw(st.sampled_from(["change", "change", "change", "drop", "add"])):
            case "change":
                holder[name] = copy.deepcopy(draw(VALUES))
            case "drop":
                del holder[name]
            case "add" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["later", "reference", "sales_channel", "key_hash", "expected_version"]))] = copy.deepcopy(
                    draw(VALUES)
                )
        if not message:
            break
    return message


def told(read, message):
    """What a reading comes to, to the last decimal, time zone and field that was set; or why it is refused."""
    try:
        model = read(message)
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False)
    return type(model), repr(model), model.model_fields_set, model.encoded()


@settings(max_examples=examples(300))
@given(kind=st.sampled_from(sorted(MODELS)), same=st.integers(0, 9), message=messages())
def test_a_message_is_read_as_its_model_reads_it_or_refused_for_the_same_reason(kind, same, message):
    if same and isinstance(message.get("type"), str):
        kind = message["type"] if message["type"] in MODELS else kind
    assert told(READERS[kind].read, message) == told(MODELS[kind].model_validate, message)


@settings(max_examples=examples(300))
@given(message=messages().map(lambda message: message.get("data")), model=st.sampled_from([CreateOrderRequest, ShipOrder, CancelOrder]))
def test_a_body_is_read_as_its_model_reads_it_or_refused_for_the_same_reason(message, model):
    """With a rule that asks for a context: no client's order may lie ahead of the gateway's clock."""
    now = {"now": datetime(2026, 3, 1, tzinfo=UTC)}

    assert told(partial(PlainReader(model).read, context=now), message) == told(partial(model.model_validate, context=now), message)


@pytest.mark.parametrize("value", NEARLY)
def test_a_value_on_the_edge_is_read_alike_in_every_place(value):
    for message in {message["type"]: message for message in GOOD}.values():
        for *path, name in places(message):
            changed = copy.deepcopy(message)
            holder = changed
            for step in path:
                holder = holder[step]
            holder[name] = value
            kind = message["type"]
            assert told(READERS[kind].read, changed) == told(MODELS[kind].model_validate, changed), (path, name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_rule_in_python_is_asked_about_a_golden_message(path):
    decode = decode_record if ".record." in path.name else decode_command
    asked = []

    def watch(frame, event, _):
        if event == "call" and frame.f_globals.get("__name__") == "event_schemas.values":
            asked.append(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        decode(path.read_bytes())
    finally:
        sys.setprofile(None)
    assert asked == []
