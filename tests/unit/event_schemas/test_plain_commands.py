"""The quick way to read a command takes nothing that the models refuse, and gives what they give."""

from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from event_schemas import codec
from event_schemas.commands import COMMAND_TYPES
from event_schemas.plain_commands import plain_command
from event_schemas.values import CURRENCIES

MODELS = {model.model_fields["type"].default: model for model in COMMAND_TYPES}
_JUNK = st.sampled_from(
    [
        *(
            None,
            True,
            False,
            0,
            -1,
            1,
            2,
            100_000,
            100_001,
            10**30,
            1.0,
            1.5,
            "",
            " ",
            "x",
            "x" * 200,
            "x" * 201,
            "a\nb",
            "a/b",
            "é",
            "\x7f",
        ),
        *([], {}, [1], {"a": 1}, "0", "00.10", "1e3", "1.00000", "1000000000.0001", "1000000000", "-1", "٣", "1\n", "EUR", "eur"),
        *("2026-01-31T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z", "2026-02-30T00:00:00Z", "2026-01-31T12:00:00+02:00"),
        *("2026-01-31", "2026-01-31T12:00:00", "2026-01-31t12:00:00z", "0000-01-31T12:00:00Z", "0001-01-01T00:00:00.000001Z"),
        *("6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01", "6F1C2E6A-3F0E-4C56-9A53-0D6F6F1F2A01", "6f1c2e6a3f0e4c569a530d6f6f1f2a01", "f" * 64),
        *("F" * 64, "f" * 64 + "\n", "web", "Web", "-web", "web\n", "CreateOrder", "ShipOrder"),
    ]
)
_TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="/"), min_size=1, max_size=20)
_TIME = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda at: at.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z"))  # noqa: DTZ001
_AMOUNT = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,4})?", fullmatch=True)
_LINE = st.fixed_dictionaries({"sku": _TEXT, "quantity": st.integers(1, 100_000), "unit_price": _AMOUNT})
_DATA: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "CreateOrder": st.fixed_dictionaries(
        {
            "customer_id": _TEXT,
            "currency": st.sampled_from(sorted(CURRENCIES)),
            "lines": st.lists(_LINE, min_size=1, max_size=3),
            "ordered_at": _TIME,
        },
        optional={"reference": _TEXT, "sales_channel": st.from_regex("[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)},
    ),
    "ShipOrder": st.fixed_dictionaries({"tracking_number": _TEXT}),
    "CancelOrder": st.fixed_dictionaries({"reason": _TEXT}),
}


@st.composite
def _commands(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(_DATA)))
    head = st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "schema_version": st.just(2 if kind == "CreateOrder" else 1),
            "order_id": st.uuids().map(str),
            "correlation_id": _TEXT,
            "issued_at": _TIME,
            "actor": _TEXT,
        },
        optional={"key_hash": st.from_regex("[0-9a-f]{64}", fullmatch=True), "expected_version": st.integers(0, 2**31)},
    )
    return draw(head) | {"type": kind, "data": draw(_DATA[kind])}


@st.composite
def _spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A command in which a few things were taken away, put in or replaced, anywhere."""
    command = draw(_commands())
    for _ in range(draw(st.integers(1, 3))):
        place: Any = command
        while True:
            names: list[Any] = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            if not names:
                break
            name = draw(st.sampled_from(names))
            if isinstance(place[name], dict | list) and draw(st.booleans()):
                place = place[name]
                continue
            match draw(st.sampled_from(["take", "put", "replace"])):
                case "take":
                    del place[name]
                case "put" if isinstance(place, dict):
                    place[draw(st.sampled_from(["more", "reference", "sales_channel", "key_hash", "expected_version"]))] = draw(_JUNK)
                case _:
                    place[name] = draw(_JUNK)
            break
    return command


@given(_commands())
def test_what_is_plain_is_read_quickly_and_as_the_models_read_it(message: dict[str, Any]) -> None:
    quick, slow = plain_command(message), MODELS[message["type"]].model_validate(message)
    assert quick is not None
    assert quick == slow
    assert (repr(quick), quick.model_dump_json()) == (repr(slow), slow.model_dump_json())


@given(_spoilt())
def test_nothing_is_taken_that_the_models_refuse(message: dict[str, Any]) -> None:
    quick = plain_command(message)
    if quick is None:
        return
    slow = MODELS[message["type"]].model_validate(message)
    assert (repr(quick), quick.model_dump_json()) == (repr(slow), slow.model_dump_json())


@given(_spoilt() | _commands())
def test_the_verdict_is_the_same_without_the_quick_way(message: dict[str, Any]) -> None:
    value = orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS) if not _too_large(message) else b"{}"
    quick = _verdict(value)
    present, codec.plain_command = codec.plain_command, lambda _: None
    try:
        assert _verdict(value) == quick
    finally:
        codec.plain_command = present


def _verdict(value: bytes) -> str:
    try:
        return repr(codec.decode_command(value))
    except (codec.Unreadable, codec.NewerSchema, ValidationError) as error:
        return repr(error)


def _too_large(value: Any) -> bool:
    """Whether orjson can't write it: it knows integers of 64 bits."""
    if isinstance(value, dict):
        return any(map(_too_large, value.values()))
    if isinstance(value, list):
        return any(map(_too_large, value))
    return isinstance(value, int) and value >= 2**63
