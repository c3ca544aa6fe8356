"""Only JSON that everyone reads alike is taken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_api.json_body import Malformed, parse_json

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
