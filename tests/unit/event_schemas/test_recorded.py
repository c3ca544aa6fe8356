"""Which records count: one look at one record decides."""

from dataclasses import dataclass, field

import pytest

from event_schemas.decoding import NewerSchema
from event_schemas.recorded import RecordedMessage, Undecodable, Void, classify, recorded_messages
from tests.support.given import create, given


@dataclass
class _Record:
    value: bytes | None
    key: bytes | None = None
    offset: int = 7
    partition: int = 3
    timestamp: int = 1000
    headers: list = field(default_factory=lambda: [("place", b"7"), ("command_offset", b"41")])


def _envelope(**changes) -> _Record:
    record = given().when(create()).then("OrderCreated", version=1)
    return _Record(value=record.encoded(), key=str(record.order_id).encode(), **changes)


def test_a_record_that_stands_at_its_place_counts():
    verdict = classify(_envelope())

    assert isinstance(verdict, RecordedMessage)
    assert (verdict.partition, verdict.offset, verdict.command_offset, verdict.record.version) == (3, 7, 41, 1)


@pytest.mark.parametrize(
    "headers", [[("place", b"6"), ("command_offset", b"41")], [], [("place", b"x")], [("place", b"-7")], [("place", b"")]]
)
def test_a_record_that_stands_elsewhere_is_void(headers):
    assert isinstance(classify(_envelope(headers=headers)), Void)


@pytest.mark.parametrize(
    "value", [None, b"", b"\xff\xfe", b"[]", b"{}", b'{"type":"OrderCreated"}', b'{"type":"Nonsense","schema_version":1}']
)
def test_bytes_that_are_no_envelope_are_garbage_wherever_they_stand(value):
    in_place, elsewhere = classify(_Record(value)), classify(_Record(value, headers=[]))

    assert isinstance(in_place, Undecodable)
    assert isinstance(elsewhere, Undecodable)
    assert in_place.reason.startswith("is no record")


def test_a_record_without_its_commands_offset_is_garbage():
    assert isinstance(classify(_envelope(headers=[("place", b"7")])), Undecodable)


def test_a_record_under_another_orders_key_is_garbage():
    record = _envelope()
    record.key = b"elsewhere"

    assert isinstance(classify(record), Undecodable)


def test_a_later_releases_record_stops_the_reader_if_it_counts():
    value = b'{"id":"x","type":"OrderReturned","schema_version":99}'

    with pytest.raises(NewerSchema, match="deploy the later release"):
        classify(_Record(value))
    assert isinstance(classify(_Record(value, headers=[("place", b"6")])), Void)


def test_counted_passes_the_others_by():
    void = _envelope(headers=[("place", b"1")])

    assert [c.offset for c in recorded_messages([void, _envelope(), _Record(b"junk")])] == [7]
