"""Maps and sets of 16-byte ids that hold a million entries in little memory: sorted bytes, with a small dict on top.

A Python dict of small objects costs 200 to 400 bytes an entry; here it is the entry's own bytes and 4 more. The sorted bytes are
also what a snapshot writes, so loading one builds no objects at all.
"""

from array import array
from collections.abc import Iterator, Mapping

KEY_BYTES = 16
_MERGE_AT_LEAST = 5_000


def _find(keys: bytes, key: bytes) -> int:
    """The index at which `key` stands or would be put.

    Ids are spread evenly, so where one stands can nearly be told from itself: the look around there takes a step or two, of the
    20 that halving a million would. Ids that are not spread evenly are found all the same, in at most twice as many steps.
    """
    count = len(keys) // KEY_BYTES
    guess = count * int.from_bytes(key[:4]) >> 32
    low, high, step = 0, count, 8
    if guess < count and keys[KEY_BYTES * guess : KEY_BYTES * (guess + 1)] < key:
        low = guess + 1
        while (probe := low + step) < count and keys[KEY_BYTES * probe : KEY_BYTES * (probe + 1)] < key:
            low, step = probe + 1, 8 * step
        high = min(count, low + step)
    else:
        high = guess
        while (probe := high - step) >= 0 and keys[KEY_BYTES * probe : KEY_BYTES * (probe + 1)] >= key:
            high, step = probe, 8 * step
        low = max(0, high - step)
    while low < high:
        middle = (low + high) >> 1
        if keys[KEY_BYTES * middle : KEY_BYTES * (middle + 1)] < key:
            low = middle + 1
        else:
            high = middle
    return low


def _stands(keys: bytes, index: int, key: bytes) -> bool:
    return keys[KEY_BYTES * index : KEY_BYTES * (index + 1)] == key


def _worth_merging(recent: int, packed: int) -> bool:
    # A merge copies everything, so it waits until what is new is a tenth of what there is.
    return recent >= max(_MERGE_AT_LEAST, packed // 10)


class PackedSet:
    """A set of 16-byte ids that only grows."""

    def __init__(self, keys: bytes = b"") -> None:
        """`keys`: sorted and without repeats, as `packed` gave them."""
        if len(keys) % KEY_BYTES:
            raise ValueError(f"{len(keys)} bytes are no whole number of ids")
        self._keys = keys
        self._recent: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._recent or _stands(self._keys, _find(self._keys, key), key)

    def __len__(self) -> int:
        return len(self.packed()) // KEY_BYTES

    def add(self, key: bytes) -> None:
        """Put an id in."""
        self._recent.add(key)
        if _worth_merging(len(self._recent), len(self._keys) // KEY_BYTES):
            self.packed()

    def packed(self) -> bytes:
        """All ids, sorted."""
        if self._recent:
            pieces, begin = [], 0
            for key in sorted(self._recent):
                index = _find(self._keys, key)
                if not _stands(self._keys, index, key):
                    pieces += [self._keys[begin : KEY_BYTES * index], key]
                    begin = KEY_BYTES * index
            self._keys = b"".join([*pieces, self._keys[begin:]])
            self._recent = set()
        return self._keys


class PackedMap:
    """A map from 16-byte ids to short bytes; entries are replaced, never taken away."""

    def __init__(self, keys: bytes = b"", ends: bytes = b"", values: bytes = b"") -> None:
        """As `packed` gave them: sorted keys, the end of each value in `values` (4 bytes each, native order), the values."""
        self._keys, self._values = keys, values
        self._ends = array("I", ends)
        if len(keys) != KEY_BYTES * len(self._ends) or (self._ends[-1] if self._ends else 0) != len(values):
            raise ValueError("keys, ends and values do not fit together")
        self._recent: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value, None when there is none."""
        recent = self._recent.get(key)
        if recent is not None:
            return recent
        index = _find(self._keys, key)
        return self._value(index) if _stands(self._keys, index, key) else None

    def set(self, key: bytes, value: bytes) -> None:
        """Put or replace an entry."""
        self._recent[key] = value
        if _worth_merging(len(self._recent), len(self._ends)):
            self.packed()

    def __len__(self) -> int:
        return len(self.packed()[0]) // KEY_BYTES

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All entries by key."""
        self.packed()
        for index in range(len(self._ends)):
            yield self._keys[KEY_BYTES * index : KEY_BYTES * (index + 1)], self._value(index)

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """All entries: sorted keys, ends, values."""
        if self._recent:
            self._merge(self._recent)
            self._recent = {}
        return self._keys, self._ends.tobytes(), self._values

    def _value(self, index: int) -> bytes:
        return self._values[self._begin(index) : self._ends[index]]

    def _begin(self, index: int) -> int:
        return self._ends[index - 1] if index else 0

    def _merge(self, newer: Mapping[bytes, bytes]) -> None:
        """Copy whole stretches between the new entries: their number, not the map's size, is what Python loops over."""
        merged, first = _Merged(), 0
        for key in sorted(newer):
            index = _find(self._keys, key)
            self._copy(first, index, merged)
            merged.append(key, newer[key])
            first = index + 1 if _stands(self._keys, index, key) else index
        self._copy(first, len(self._ends), merged)
        self._keys, self._values, self._ends = b"".join(merged.keys), b"".join(merged.values), merged.ends

    def _copy(self, first: int, last: int, merged: "_Merged") -> None:
        """Entries `first` to `last` unchanged."""
        if first < last:
            begin, end = self._begin(first), self._ends[last - 1]
            shift = merged.length - begin
            merged.keys.append(self._keys[KEY_BYTES * first : KEY_BYTES * last])
            merged.values.append(self._values[begin:end])
            merged.ends.extend([position + shift for position in self._ends[first:last]])
            merged.length = end + shift


class _Merged:
    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.values: list[bytes] = []
        self.ends = array("I")
        self.length = 0

    def append(self, key: bytes, value: bytes) -> None:
        self.keys.append(key)
        self.values.append(value)
        self.length += len(value)
        self.ends.append(self.length)
