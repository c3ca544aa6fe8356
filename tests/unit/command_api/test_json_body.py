"""Only JSON that everyone reads alike is taken."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_api.body import Malformed, parse_json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=4)
    ),
    max_leaves=6,
)


@given(values)
def test_what_is_json_is_read(value: object):
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b"NaN",
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xff"}',
        b'{"a": 1} {"b": 2}',
        b'{"a": 1,}',
        b"{'a': 1}",
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "line\nbreak"}',
        b"[" * 5000 + b"]" * 5000,
        b"[" * 1010 + b"]" * 1010,
    ],
)
def test_what_is_not_json_is_refused(body: bytes):
    with pytest.raises(Malformed):
        parse_json(body)


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'[{"x": {"a": 1, "b": 2, "a": 3}}]', b'{"a": 1, "\\u0061": 2}'])
def test_a_member_named_twice_is_refused(body: bytes):
    with pytest.raises(Malformed, match="twice: 'a'"):
        parse_json(body)


def test_numbers_of_any_length_do_not_matter_to_the_second_look():
    assert parse_json(b'{"a": ' + b"1" * 200 + b"}") == {"a": pytest.approx(1.1111111111e199)}


_names = st.sampled_from(["a", "b", "a:b", ":", "\\", "é"])
_texts = st.sampled_from(["", "x", "12:00:00", ":", "\\u003a", '"', "\n"])


@st.composite
def _written(draw: st.DrawFn, depth: int = 3) -> str:
    """JSON text, in which names may be repeated, and colons may be escaped."""
    kind = draw(st.sampled_from(["text", "number", "object", "list"] if depth else ["text", "number"]))
    if kind == "text":
        text = json.dumps(draw(_texts))
        return text.replace(":", "\\u003a") if draw(st.booleans()) else text
    if kind == "number":
        return "7"
    if kind == "list":
        return "[" + ",".join(draw(st.lists(_written(depth - 1), max_size=3))) + "]"
    members = draw(st.lists(st.tuples(_names.map(json.dumps), _written(depth - 1)), max_size=3))
    return "{" + ",".join(f"{name}{draw(st.sampled_from([':', ' : ']))}{value}" for name, value in members) + "}"


@given(_written())
def test_repeated_names_are_found_as_the_standard_parser_finds_them(text: str):
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise Malformed("twice")
        return dict(pairs)

    try:
        expected = json.loads(text, object_pairs_hook=unique)
    except Malformed:
        with pytest.raises(Malformed, match="twice"):
            parse_json(text.encode())
    else:
        assert parse_json(text.encode()) == expected


@pytest.mark.parametrize("depth", [300, 600, 900])
def test_deep_nesting_is_read_or_refused_and_nothing_else(depth: int):
    body = b"[" * depth + b"]" * depth
    with suppress(Malformed):
        assert isinstance(parse_json(body), list)
