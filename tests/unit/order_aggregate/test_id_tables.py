"""Packed maps and sets are maps and sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregate.id_tables import IdSet, IdTable

_KEYS = st.integers(0, 40).map(lambda number: bytes([number * 6]) * 16)


@given(st.lists(st.tuples(_KEYS, st.binary(max_size=5), st.booleans())))
def test_a_packed_map_holds_what_a_dict_holds(entries):
    packed, model = IdTable(), {}
    for key, value, pack in entries:
        packed.set(key, value)
        model[key] = value
        if pack:
            packed = IdTable(*packed.packed())

    for number in range(256):
        key = bytes([number]) * 16
        assert packed.get(key) == model.get(key)
    assert len(packed) == len(model)
    assert packed.packed()[0] == b"".join(model)


@given(st.lists(st.tuples(_KEYS, st.booleans())))
def test_a_packed_set_holds_what_a_set_holds(entries):
    packed, model = IdSet(), {}
    for key, pack in entries:
        assert packed.add(key) == (key not in model)
        model[key] = None
        if pack:
            packed = IdSet(packed.packed())

    assert len(packed) == len(model)
    assert packed.packed() == b"".join(model)


def test_ids_that_want_the_same_slot_are_told_apart():
    """All want the last slot but one of every table they come into, so that the search goes on over its end."""
    alike = [key for number in range(40_000) if hash(key := number.to_bytes(16)) & 127 == 126][:80]
    packed_set, packed_map = IdSet(), IdTable()
    for key in alike[:40]:
        packed_set.add(key)
        packed_map.set(key, key[-3:])

    assert len(packed_set._slots) == len(packed_map._slots) == 128
    assert [packed_map.get(key) for key in alike] == [key[-3:] for key in alike[:40]] + [None] * 40
    assert [packed_set.add(key) for key in alike] == [False] * 40 + [True] * 40


def test_the_table_is_at_most_half_full():
    packed = IdSet()
    for number in range(5_000):
        packed.add(number.to_bytes(16))
        assert 2 * len(packed) <= len(packed._slots)
    assert len(packed._slots) <= 4 * len(packed)


def test_what_replaced_values_leave_is_at_most_as_much_as_the_values():
    packed = IdTable()
    for number in range(2_000):
        packed.set((number % 10).to_bytes(16), bytes(number % 50))
        values = [packed.get(key.to_bytes(16)) or b"" for key in range(10)]
        assert len(packed.packed()[3]) <= 2 * sum(map(len, values)) + 1
    assert IdTable(*packed.packed()).packed() == packed.packed()


def test_bytes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="ids"):
        IdSet(b"x" * 17)
    good = IdTable()
    good.set(b"k" * 16, b"value")
    keys, begins, lengths, values = good.packed()
    for sections in (
        (keys, b"", b"", b""),
        (keys, begins, lengths, values[:-1]),
        (keys, b"\x01\0\0\0", lengths, values),
        (keys, begins, b"", values),
        (b"", begins, lengths, values),
    ):
        with pytest.raises(ValueError, match="fit together"):
            IdTable(*sections)
