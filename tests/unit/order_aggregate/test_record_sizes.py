"""A command's record is never larger than the command by more than a constant, and what the log might not take is a rejection."""

from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch
from uuid import uuid4

import orjson
from aiokafka import ConsumerRecord
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from event_schemas.codes import Code
from event_schemas.commands import CancelOrder, CreateOrder, Line, ShipOrder
from event_schemas.decoding import decode_command, decode_record
from event_schemas.registry import new_command
from event_schemas.topics import (
    COMMAND_OFFSET,
    COMMANDS,
    DEAD_LETTERS,
    EVENTS,
    LARGEST_BATCH,
    MAX_COMMAND_BYTES,
    MAX_RECORD_BYTES,
    PLACE,
    RECORD_HEADERS_BYTES,
    TOPICS,
)
from event_schemas.trace_context import MAX_TRACEPARENT
from event_schemas.values import MAX_LINES
from order_aggregate import partition_state as partition_module
from order_aggregate.partition_state import PartitionState
from order_aggregate.record_appender import encode
from tests.support.examples import examples
from tests.support.given import Envelope, create, given, keyed, ship

ADDED_AT_MOST = 4 * 1024
"""What a record's value adds to its command's (event_schemas/topics.py says so)."""
_PRINTED = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=200)
_TEXTS = _PRINTED | st.sampled_from(["x", "😀" * 200, '"' * 200, "\\" * 200])
_TIMES = st.datetimes(timezones=st.just(UTC)) | st.just(datetime(1, 1, 1, tzinfo=UTC))
_AMOUNTS = st.decimals(0, 1_000_000_000, places=4).map(str) | st.sampled_from(["0", "0000000000.0001"])


@st.composite
def _envelopes(draw):
    return {**replace(keyed("k"), expected_version=draw(st.none() | st.integers(0, 5))).fields(), "actor": draw(_TEXTS)} | {
        "key_hash": draw(st.none() | st.just("a" * 64)),
        "correlation_id": draw(_TEXTS),
        "issued_at": draw(_TIMES),
    }


@st.composite
def _creates(draw):
    line = st.builds(Line, sku=_TEXTS, quantity=st.integers(1, 100_000), unit_price=_AMOUNTS)
    lines = draw(st.lists(line, min_size=1, max_size=4)) * draw(st.sampled_from([1, MAX_LINES // 4]))
    customer = draw(_TEXTS).replace("/", "-")
    reference = draw(st.none() | _TEXTS)
    data = CreateOrder(customer_id=customer, currency="EUR", lines=tuple(lines), ordered_at=draw(_TIMES), reference=reference)
    return new_command(data, **draw(_envelopes()))


_CHANGES = st.builds(
    lambda data, fields: new_command(data, **fields),
    st.builds(ShipOrder, tracking_number=_TEXTS) | st.builds(CancelOrder, reason=_TEXTS),
    _envelopes(),
)
_BROKEN = st.dictionaries(st.sampled_from(["data", "issued_at", "actor", "key_hash", "note"]), _TEXTS | st.none(), max_size=4)
_UNTYPED = st.sampled_from([{"type": None}, {"type": 7}, {"schema_version": "x"}, {"schema_version": 0}])


@st.composite
def _command_bytes(draw):
    """What may stand in the topic: three commands on one order, one of them perhaps broken by whoever wrote it."""
    written = [draw(_creates()).encoded(), *(draw(_CHANGES).encoded() for _ in range(2))]
    broken = draw(st.integers(0, 3))
    if broken < len(written):
        written[broken] = orjson.dumps({**orjson.loads(written[broken]), **draw(_BROKEN | _UNTYPED)})
    return written


def _values(partition: PartitionState, commands) -> list[bytes]:
    return [ending.value for value in commands if (ending := partition.decide(decode_command(value))) is not None]


@hypothesis_given(_command_bytes())
@settings(max_examples=examples(150))
def test_a_record_is_no_larger_than_its_command_and_a_constant_and_deciding_again_gives_its_bytes(commands):
    records = _values(PartitionState(), commands)

    assert len(records) == len(commands)
    for command, record in zip(commands, records, strict=True):
        assert len(record) <= len(command) + ADDED_AT_MOST
        assert decode_record(record).encoded() == record
    assert _values(PartitionState(), commands) == records


def test_what_is_no_value_fits_its_part():
    trace = b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-".ljust(MAX_TRACEPARENT, b"a")
    key, latest = str(uuid4()).encode(), 2**63 - 1
    record = given().when(ship()).record
    assert record is not None
    command = ConsumerRecord(COMMANDS, 0, latest, 0, 0, key, b"", None, 0, 0, (("traceparent", trace),))
    outgoing = encode(record, record.encoded(), command)
    headers = [(PLACE, b"%d" % latest), (COMMAND_OFFSET, b"%d" % latest), *outgoing.headers]

    assert ("traceparent", trace) in headers
    assert DefaultRecordBatchBuilder.estimate_size_in_bytes(key, b"", headers) < 1.2 * 1024 < RECORD_HEADERS_BYTES


def test_each_topic_takes_the_largest_that_the_one_before_it_may_bring():
    limits = {topic.name: int(topic.settings[LARGEST_BATCH]) for topic in TOPICS}

    assert limits[COMMANDS] == MAX_COMMAND_BYTES < MAX_RECORD_BYTES < limits[EVENTS]
    # A dead letter's own headers say where it stood and why: a few hundred bytes each.
    assert limits[EVENTS] + 64 * 1024 < limits[DEAD_LETTERS]


def _decided(*commands):
    partition = PartitionState()
    endings = [partition.decide(command) for command in commands]
    folded = PartitionState()
    for place, ending in enumerate(endings):
        assert ending is not None
        folded.apply(decode_record(ending.value), offset=place, command_offset=place, value=ending.value)
    assert folded.packed() == partition.packed()
    return partition, [ending.record for ending in endings if ending]


def _smaller_log():
    """A log that takes a rejection's value, and no order of eight lines."""
    return patch.object(partition_module, "MAX_RECORD_VALUE_BYTES", 900)


_LINES = [Line(sku=f"tea-{number}" * 10, quantity=1, unit_price="4.50") for number in range(8)]


def test_without_the_bound_a_record_is_as_large_as_its_rule_makes_it():
    partition, (created,) = _decided(create(*_LINES))

    assert created.type == "OrderCreated"
    assert partition.order(created.order_id).version == 1


def test_with_the_bound_a_record_that_the_log_might_not_take_is_a_rejection_and_changes_nothing():
    large, small = create(*_LINES, envelope=keyed("k")), create(envelope=Envelope())
    with _smaller_log():
        partition, (rejected, placed) = _decided(large, small)
        again = PartitionState().decide(large)

    assert (rejected.type, rejected.data.code, rejected.version) == ("CommandRejected", Code.INVALID_COMMAND, 0)
    assert "bytes" in rejected.data.detail
    assert again is not None
    assert again.value == rejected.encoded()
    assert len(again.value) <= 900
    assert (placed.type, placed.version, partition.order(placed.order_id).version) == ("OrderCreated", 1, 1)
