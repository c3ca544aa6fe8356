"""Keys lie on the partitions where Kafka's own clients put them."""

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka.partitioner import murmur2, partition_of, partition_of_key


@given(st.binary(max_size=50))
def test_the_hash_is_kafkas(key):
    assert murmur2(key) == reference(key)


@given(st.uuids().map(str), st.integers(1, 48))
def test_an_orders_partition_follows_from_its_key(order_id, partitions):
    assert partition_of(order_id, partitions) == (reference(order_id.encode()) & 0x7FFFFFFF) % partitions
    assert partition_of(order_id, partitions) == partition_of_key(order_id.encode(), partitions)
