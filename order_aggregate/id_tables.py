"""Maps and sets of 16-byte ids that hold a million entries in little memory: their bytes in a row, and a table of where each stands.

A Python dict of small objects costs 200 to 400 bytes an entry; here it is the entry's own bytes and 8 to 16 more for the table. The rows
are also what a snapshot writes, so writing one copies bytes and loading one builds the tables only.
"""

from array import array
from itertools import starmap
from struct import iter_unpack

KEY_BYTES = 16
_FEWEST_SLOTS = 8


class _Ids:
    """Ids in the order in which they came."""

    def __init__(self, keys: bytes = b"") -> None:
        """`keys`: without repeats, as `packed` gave them. Raises ValueError for bytes that are no ids."""
        if len(keys) % KEY_BYTES:
            raise ValueError(f"{len(keys)} bytes are no whole number of ids")
        self._keys = bytearray(keys)
        self._count = len(keys) // KEY_BYTES
        self._slots, self._mask = self._table()

    def __len__(self) -> int:
        return self._count

    def _table(self) -> tuple["array[int]", int]:
        """The table of all ids and its mask: between a quarter and half of its slots hold the number of an id, counted from 1."""
        size = max(_FEWEST_SLOTS, 2 << self._count.bit_length())
        slots, mask = array("I", bytes(4 * size)), size - 1
        # Python's own hash has a secret of each process, so that no client can choose ids which all want the same slot.
        for number, hashed in enumerate(starmap(hash, iter_unpack(f"{KEY_BYTES}s", self._keys)), 1):
            slot = hashed & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = number
        return slots, mask

    def _slot(self, key: bytes) -> int:
        """The slot that holds the id's number, or the empty one that would."""
        keys, slots, mask = self._keys, self._slots, self._mask
        slot = hash(key) & mask
        while (number := slots[slot]) and keys[KEY_BYTES * (number - 1) : KEY_BYTES * number] != key:
            slot = (slot + 1) & mask
        return slot

    def _put(self, slot: int, key: bytes) -> None:
        """Take a new id in, at the slot found for it."""
        self._keys += key
        self._slots[slot] = self._count = self._count + 1
        if 2 * self._count > self._mask:
            self._slots, self._mask = self._table()


class IdSet(_Ids):
    """A set of 16-byte ids that only grows."""

    def add(self, key: bytes) -> bool:
        """Put an id in; whether it was new."""
        slot = self._slot(key)
        if self._slots[slot]:
            return False
        self._put(slot, key)
        return True

    def packed(self) -> bytes:
        """All ids, in the order in which they came."""
        return bytes(self._keys)


class IdTable(_Ids):
    """A map from 16-byte ids to at most 65,535 bytes; entries are replaced, never taken away."""

    def __init__(self, keys: bytes = b"", begins: bytes = b"", lengths: bytes = b"", values: bytes = b"") -> None:
        """As `packed` gave them. Raises ValueError when they do not fit together."""
        super().__init__(keys)
        self._begins, self._lengths, self._values = array("I", begins), array("H", lengths), bytearray(values)
        fits = self._count == len(self._begins) == len(self._lengths) and sum(self._lengths) <= len(values)
        if not fits or any(begin + length > len(values) for begin, length in zip(self._begins, self._lengths, strict=True)):
            raise ValueError("keys, begins, lengths and values do not fit together")
        self._wasted = len(values) - sum(self._lengths)

    def find(self, key: bytes) -> tuple[int, bytes | None]:
        """The slot for `put`, good until the next one, and the value: None when there is none."""
        slot = self._slot(key)
        number = self._slots[slot]
        return slot, self._value(number - 1) if number else None

    def get(self, key: bytes) -> bytes | None:
        """The value, None when there is none."""
        return self.find(key)[1]

    def put(self, slot: int, key: bytes, value: bytes) -> None:
        """Put or replace an entry at the slot that was found for it."""
        number = self._slots[slot]
        if number:
            self._replace(number - 1, value)
        else:
            self._begins.append(len(self._values))
            self._lengths.append(len(value))
            self._values += value
            self._put(slot, key)

    def set(self, key: bytes, value: bytes) -> None:
        """Put or replace an entry."""
        self.put(self._slot(key), key, value)

    def packed(self) -> tuple[bytes, bytes, bytes, bytes]:
        """All entries: ids, where each value begins (4 bytes each), its length (2 bytes each, both in native order), the values."""
        return bytes(self._keys), self._begins.tobytes(), self._lengths.tobytes(), bytes(self._values)

    def _value(self, index: int) -> bytes:
        begin = self._begins[index]
        return bytes(self._values[begin : begin + self._lengths[index]])

    def _replace(self, index: int, value: bytes) -> None:
        """In the old value's place if it fits, since an order that has ended needs less than an open one."""
        begin, length = self._begins[index], self._lengths[index]
        if len(value) > length:
            begin = self._begins[index] = len(self._values)
            self._wasted += length
        else:
            self._wasted += length - len(value)
        self._values[begin : begin + len(value)] = value
        self._lengths[index] = len(value)
        if 2 * self._wasted > len(self._values):
            self._close_gaps()

    def _close_gaps(self) -> None:
        values, begins = bytearray(), array("I")
        for index in range(self._count):
            begins.append(len(values))
            values += self._value(index)
        self._values, self._begins, self._wasted = values, begins, 0
