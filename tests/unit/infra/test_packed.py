"""Packed maps and sets are maps and sets."""

from bisect import bisect_left
from hashlib import sha256

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


@given(
    st.lists(st.binary(min_size=16, max_size=16) | st.integers(0, 300).map(lambda n: n.to_bytes(16)), unique=True),
    st.binary(min_size=16, max_size=16),
)
def test_an_id_is_found_where_halving_finds_it_however_ids_are_spread(keys, other):
    keys.sort()
    packed = b"".join(keys)

    for key in (*keys, other, b"\0" * 16, b"\xff" * 16):
        assert infra.packed._find(packed, key) == bisect_left(keys, key)


def test_an_id_among_many_that_are_spread_evenly_or_not_at_all():
    even = sorted(sha256(number.to_bytes(4)).digest()[:16] for number in range(20_000))
    uneven = [number.to_bytes(16) for number in range(20_000)]
    for keys in (even, uneven):
        packed = b"".join(keys)
        assert [infra.packed._find(packed, key) for key in keys[::97]] == list(range(0, 20_000, 97))


def test_bytes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="ids"):
        PackedSet(b"x" * 17)
    with pytest.raises(ValueError, match="fit together"):
        PackedMap(b"k" * 16, b"", b"")
