"""A message is read in one pass or member by member: what the one pass takes, the other reads alike."""

import json
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_schemas.decoding import _COMMANDS, _RECORDS, NewerSchema
from event_schemas.registry import COMMAND_KINDS, RECORD_KINDS
from tests.support.examples import examples
from tests.unit.event_schemas.generated import COMMANDS, FILES, GOLDEN, NEARLY, RECORDS, changed_messages, places, with_value

_TOPICS = [_COMMANDS, _RECORDS]
_BLANKS = ["", "", "", " ", "\n\t", "\r"]
# No number beyond what a double holds: the one pass steps over it in an unknown member, and no JSON parser reads it.
_ADDED: list[Any] = [0, -1.5, 10**30, True, None, "plain", "☕", 'a"b\\', "\u0001", [], {}, [{"deep": ["er"]}], {"id": "x"}]


def _text(text: str, random: Random) -> str:
    """The same JSON text, in one of its spellings."""
    if random.random() < 0.5:
        return json.dumps(text, ensure_ascii=random.random() < 0.5)
    units = "".join(f"\\u{unit:04x}" for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"))
    return f'"{units}"'


def _spelled(value: Any, random: Random) -> str:
    """The JSON value in another spelling: spaces, order, escapes, members that come twice, and some that nobody knows."""
    blank = random.choice(_BLANKS)
    if isinstance(value, dict):
        members = list(value.items())
        if random.random() < 0.3:
            random.shuffle(members)
        if members and random.random() < 0.3:
            members.insert(0, (random.choice(members)[0], random.choice([*_ADDED, random.choice(members)[1]])))
        if random.random() < 0.3:
            members.insert(random.randrange(len(members) + 1), (random.choice(["later", "spä\tter"]), random.choice(_ADDED)))
        inside = f",{blank}".join(f"{_text(name, random)}{blank}:{blank}{_spelled(member, random)}" for name, member in members)
        return f"{blank}{{{blank}{inside}{blank}}}{blank}"
    if isinstance(value, list):
        return f"[{blank}{f'{blank},'.join(_spelled(item, random) for item in value)}{blank}]"
    if isinstance(value, str):
        return _text(value, random) if random.random() < 0.2 else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _read_alike(value: bytes) -> None:
    for topic in _TOPICS:
        quick = topic.in_one_pass(value)
        if quick is not None:
            slow = topic.by_members(topic.parsed(value))
            assert (quick, repr(quick), quick.encoded()) == (slow, repr(slow), slow.encoded())


@settings(max_examples=examples(1000))
@given(message=st.sampled_from(GOLDEN) | changed_messages(), random=st.randoms(use_true_random=False))
def test_what_is_read_in_one_pass_is_read_alike_by_members(message: dict[str, Any], random: Random):
    _read_alike(_spelled(message, random).encode("utf-8", "surrogatepass"))


@settings(max_examples=examples(300))
@given(message=st.sampled_from(GOLDEN), at=st.integers(0, 2000), new=st.binary(max_size=3), gone=st.integers(0, 3))
def test_so_are_bytes_that_something_happened_to(message: dict[str, Any], at: int, new: bytes, gone: int):
    value = orjson.dumps(message)
    at %= len(value)
    _read_alike(value[:at] + new + value[at + gone :])


@pytest.mark.parametrize("value", NEARLY)
def test_a_value_on_the_edge_is_read_alike_in_every_place(value: str):
    for message in GOLDEN:
        for path in places(message):
            _read_alike(orjson.dumps(with_value(message, path, value)))


@pytest.mark.parametrize(
    "more",
    [
        *(b'"later":"a\nb"', b'"later":"\x7f"', b'"later":"\xff"', b'"later":"\xed\xa0\x80"', b'"later":"\\ud800"', b'"later":"\\q"'),
        *(b'"la\x01ter":1', b'"later":01', b'"later":NaN', b'"later":' + b"[" * 2000 + b"]" * 2000, b'"id":1', b'"version":1.0'),
        *(b'"actor":"a\\u0000b"', b'"actor":"a\x01b"', b'"actor":"\x7f"', b'"actor":"\xc2\x85"', b'"actor":"\\ud83d\\ude00"'),
    ],
)
def test_members_added_by_hand_are_read_alike(more: bytes):
    for value in map(orjson.dumps, GOLDEN):
        _read_alike(value[:-1] + b"," + more + b"}")
        _read_alike(b"{" + more + b"," + value[1:])


@settings(max_examples=examples(100))
@given(record=RECORDS, command=COMMANDS)
def test_all_that_this_release_writes_is_read_in_one_pass(record, command):
    for topic, message in ((_RECORDS, record), (_COMMANDS, command)):
        read = topic.in_one_pass(message.encoded())
        assert read is not None
        assert read == message


@pytest.mark.parametrize(("path", "message"), list(zip(FILES, GOLDEN, strict=True)), ids=[path.name for path in FILES])
def test_golden_messages_of_the_current_version_are_read_in_one_pass_others_are_not(path: Path, message: dict[str, Any]):
    """Else the properties above would say nothing."""
    topic, kinds = (_RECORDS, RECORD_KINDS) if ".record." in path.name else (_COMMANDS, COMMAND_KINDS)

    assert (topic.in_one_pass(orjson.dumps(message)) is not None) == (message["schema_version"] == kinds[message["type"]].version)


def test_what_is_of_another_type_or_version_is_not_taken_in_one_pass():
    for message in GOLDEN:
        for change in ({"type": "Later"}, {"schema_version": 9}):
            value = orjson.dumps(message | change)
            for topic in _TOPICS:
                assert topic.in_one_pass(value) is None
                with pytest.raises((NewerSchema, ValueError)):
                    topic.by_members(topic.parsed(value))
