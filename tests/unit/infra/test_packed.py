"""Packed maps and sets are maps and sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infra.packed
from infra.packed import PackedMap, PackedSet

_KEYS = st.integers(0, 40).map(lambda number: bytes([number * 6]) * 16)


@pytest.fixture(autouse=True)
def _merge_early(monkeypatch):
    monkeypatch.setattr(infra.packed, "_MERGE_AT_LEAST", 3)


@given(st.lists(st.tuples(_KEYS, st.binary(max_size=5), st.booleans())))
def test_a_packed_map_holds_what_a_dict_holds(entries):
    packed, model = PackedMap(), {}
    for key, value, pack in entries:
        packed.set(key, value)
        model[key] = value
        if pack:
            packed = PackedMap(*packed.packed())

    for number in range(256):
        key = bytes([number]) * 16
        assert packed.get(key) == model.get(key)
    assert len(packed) == len(model)
    assert list(packed.items()) == sorted(model.items())


@given(st.lists(st.tuples(_KEYS, st.booleans())))
def test_a_packed_set_holds_what_a_set_holds(entries):
    packed, model = PackedSet(), set()
    for key, pack in entries:
        packed.add(key)
        model.add(key)
        if pack:
            packed = PackedSet(packed.packed())

    assert [bytes([n]) * 16 in packed for n in range(256)] == [bytes([n]) * 16 in model for n in range(256)]
    assert len(packed) == len(model)
    assert packed.packed() == b"".join(sorted(model))


def test_bytes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="ids"):
        PackedSet(b"x" * 17)
    with pytest.raises(ValueError, match="fit together"):
        PackedMap(b"k" * 16, b"", b"")
