"""Keys lie on the partitions where Kafka's own clients put them."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka.partitioner import partition_of, partition_of_key


@given(st.binary(max_size=50), st.integers(1, 2**31 - 1))
def test_a_keys_partition_is_kafkas(key, partitions):
    assert partition_of_key(key, partitions) == (reference(key) & 0x7FFFFFFF) % partitions


@given(st.binary(max_size=50), st.integers(1, 48))
def test_a_producer_that_is_named_no_partition_chooses_the_same(key, partitions):
    everywhere = list(range(partitions))

    assert partition_of_key(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)


@given(st.uuids().map(str), st.integers(1, 48))
def test_an_orders_partition_follows_from_its_key(order_id, partitions):
    assert partition_of(order_id, partitions) == partition_of_key(order_id.encode(), partitions)


@pytest.mark.parametrize(
    ("key", "hashed"), [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)]
)
def test_the_hash_is_the_one_that_kafkas_own_tests_name(key, hashed):
    """From UtilsTest.testMurmur2 of Apache Kafka: the whole hash, at a count of partitions that it can be read off."""
    assert partition_of_key(key, 2**31) == hashed & 0x7FFFFFFF
