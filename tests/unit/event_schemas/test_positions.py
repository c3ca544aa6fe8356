"""Tokens: opaque, exact, and bound to their log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_schemas.positions import CommandPlace, LogIdentity, MovingPosition, NoToken, Position

_LOG = LogIdentity(12, {0: b"first of 0", 3: b"first of 3"})


@given(st.dictionaries(st.integers(0, 11), st.integers(0, 2**50)))
def test_a_position_survives_its_token(offsets):
    position = Position.of(_LOG, offsets)

    assert Position.parse(position.token()) == position


@given(st.integers(0, 9999), st.integers(0, 2**50))
def test_a_command_place_survives_its_token(partition, offset):
    assert CommandPlace.parse(CommandPlace(partition, offset).token()) == CommandPlace(partition, offset)


@given(st.text())
def test_any_other_text_is_no_token(text):
    for kind in (Position, CommandPlace):
        try:
            parsed = kind.parse(text)
        except NoToken:
            continue
        assert parsed.token() == text


@pytest.mark.parametrize("token", ["", "e.", "c.", "e.AAAA", "c.AAAAAA", "e." + "A" * 200_000, "x.AAAA", "c.gA", "e.é"])
def test_broken_tokens_are_refused(token):
    with pytest.raises(NoToken):
        Position.parse(token)
    with pytest.raises(NoToken):
        CommandPlace.parse(token)


def test_a_position_belongs_to_its_log_only():
    position = Position.of(_LOG, {0: 5, 1: 0, 3: 2})

    assert position.belongs_to(_LOG)
    assert position.belongs_to(LogIdentity(12, {**_LOG.first, 1: b"begun meanwhile"}))
    assert not position.belongs_to(LogIdentity(12, {0: b"another", 3: b"first of 3"}))
    assert not position.belongs_to(LogIdentity(6, _LOG.first))
    assert not position.belongs_to(LogIdentity(12, {}))


@given(
    st.dictionaries(st.integers(0, 11), st.integers(0, 2**50), min_size=1),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 300), st.booleans())),
)
def test_a_moving_position_has_the_same_tokens(offsets, moves):
    other = LogIdentity(12, {**_LOG.first, 5: b"first of 5"})
    moving, identity = MovingPosition(_LOG, offsets), _LOG

    assert moving.token() == Position.of(_LOG, offsets).token()
    for partition, offset, begins in moves:
        if partition in offsets:
            identity = other if begins else identity
            offsets[partition] += offset
            assert moving.moved(identity, partition, offsets[partition]) == Position.of(identity, offsets).token()
