"""Keys lie on the partitions where Kafka's own clients put them."""

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka.clients import murmur2, partition_of, partition_of_key, partitions_of_keys


@given(st.binary(max_size=50))
def test_the_hash_is_kafkas(key):
    assert murmur2(key) == reference(key)


@given(st.uuids().map(str), st.integers(1, 48))
def test_an_orders_partition_follows_from_its_key(order_id, partitions):
    assert partition_of(order_id, partitions) == (reference(order_id.encode()) & 0x7FFFFFFF) % partitions
    assert partition_of(order_id, partitions) == partition_of_key(order_id.encode(), partitions)


_IDS = st.binary(min_size=36, max_size=36) | st.uuids().map(lambda key: str(key).encode())


@given(st.lists(_IDS) | st.lists(st.none() | st.binary(max_size=50) | _IDS))
def test_many_keys_lie_where_each_does(keys):
    assert partitions_of_keys(keys, 12) == [None if key is None else partition_of_key(key, 12) for key in keys]
