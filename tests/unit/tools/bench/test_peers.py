"""This project as a peer: what its events are compared with, and what the rounds come to."""

import itertools
from types import SimpleNamespace

import orjson
import pytest

from event_schemas.decoding import decode_command
from order_aggregate.partition_state import PartitionState
from tools.bench.orders import bench_commands
from tools.bench.peers.__main__ import medians
from tools.bench.peers.events import LOG_APPEND_TIME, Checked, expected_event


def _record(value, key, offset, **other):
    headers = [("place", b"%d" % offset), ("command_offset", b"%d" % offset)]
    fields = {"partition": 0, "offset": offset, "timestamp": 1_000, "timestamp_type": LOG_APPEND_TIME, "headers": headers}
    return SimpleNamespace(**fields | {"key": key, "value": value} | other)


def _decided(count=3):
    """Key, command and the aggregate's own record of the first commands."""
    partition = PartitionState()
    for _, key, value, _ in itertools.islice(bench_commands(count, 1), count):
        command = decode_command(value)
        yield key, value, partition.decide(command).value


def test_what_the_aggregate_writes_is_what_is_expected():
    decided = list(_decided())
    checked = Checked({key: expected_event(command) for key, command, _ in decided})

    for offset, (key, _, written) in enumerate(decided):
        checked.take(_record(written, key, offset))

    assert checked.ok
    assert checked.counts == {"events": 3, "distinct": 3, "twice": 0, "wrong": 0, "missing": 0}


@pytest.mark.parametrize(
    "fault",
    [
        {"headers": [("place", b"7"), ("command_offset", b"0")]},
        {"headers": [("place", b"0")]},
        {"timestamp_type": 0},
        {"key": b"another"},
    ],
)
def test_a_record_that_does_not_count_is_wrong(fault):
    ((key, command, written),) = _decided(1)
    checked = Checked({key: expected_event(command)})

    checked.take(_record(**{"value": written, "key": key, "offset": 0} | fault))

    assert not checked.ok


@pytest.mark.parametrize("member", ["version", "occurred_at", "key_hash", "data"])
def test_an_event_with_another_value_is_wrong(member):
    ((key, command, written),) = _decided(1)
    checked = Checked({key: expected_event(command)})

    checked.take(_record(orjson.dumps(orjson.loads(written) | {member: None}), key, 0))

    assert checked.counts["wrong"] == 1


def test_the_same_event_twice_is_noticed():
    ((key, command, written),) = _decided(1)
    checked = Checked({key: expected_event(command)})

    checked.take(_record(written, key, 0))
    checked.take(_record(written, key, 1))

    assert not checked.ok
    assert checked.counts["twice"] == 1


def test_rounds_come_to_medians():
    rows = [{"peer": "a", "rate": rate} for rate in (3, 1, 2)] + [{"peer": "b", "rate": 9}]

    assert medians(rows) == {"a": 2, "b": 9}
