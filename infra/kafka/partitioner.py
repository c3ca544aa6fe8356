"""On which partition an order's commands and records stand: Kafka's own rule for a key. Pure."""

from murmurhash2 import murmurhash2

_SEED = 0x9747B28C
"""Kafka's own; with it the 32-bit MurmurHash2 gives what Kafka's clients compute, aiokafka's included (tested)."""


def partition_of(order_id: str, partitions: int) -> int:
    """The partition of an order, in both topics."""
    return partition_of_key(order_id.encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """The partition of an order, from the key as it stands in the record."""
    return int(murmurhash2(key, _SEED) & 0x7FFFFFFF) % partitions
