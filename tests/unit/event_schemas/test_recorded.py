"""Which records count: one look at one record decides."""

from dataclasses import dataclass, field

import orjson
import pytest

from event_schemas.decoding import NewerSchema
from event_schemas.recorded import RecordedMessage, Undecodable, Void, classify, header_number, recorded_messages
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
    for later in ({"type": "OrderReturned"}, {"schema_version": 99}, {"type": "OrderReturned", "schema_version": 1, "data": None}):
        record = _envelope()
        record.value = orjson.dumps(orjson.loads(record.value or b"") | later)

        with pytest.raises(NewerSchema, match="deploy the later release"):
            classify(record)
        record.headers = [("place", b"6")]
        assert isinstance(classify(record), Void)


def test_a_later_releases_record_with_a_head_of_no_use_is_garbage_wherever_it_stands():
    value = b'{"id":"x","order_id":"x","command_id":"x","type":"OrderReturned","schema_version":99}'

    for headers in ([("place", b"7")], [("place", b"6")], []):
        verdict = classify(_Record(value, headers=headers))
        assert isinstance(verdict, Undecodable)
        assert verdict.reason == "is no record: id: must be a UUID in canonical lower-case form"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"0", 0),
        (b"007", 7),
        (b"%d" % (2**63 - 1), 2**63 - 1),
        *((value, None) for value in (None, b"", b"-1", b"+1", b" 1", b"1_0", b"1.0", b"x", "٣".encode(), b"0x1")),
        (b"%d" % 2**63, None),
        (b"9" * 19, None),
        (b"0" * 20, None),
        (b"9" * 100_000, None),
    ],
)
def test_a_header_holds_a_number_below_2_to_the_63_or_none(value, number):
    assert header_number([("other", b"1"), ("place", value), ("place", b"5")], "place") == number


def test_a_header_that_is_missing_holds_none():
    assert header_number([], "place") is None
    assert header_number([("other", b"1")], "place") is None


@pytest.mark.parametrize("offset", [b"", b"-1", b"x", b"%d" % 2**63, b"9" * 5000])
def test_an_offset_that_no_command_could_have_is_garbage(offset):
    assert isinstance(classify(_envelope(headers=[("place", b"7"), ("command_offset", offset)])), Undecodable)


def test_counted_passes_the_others_by():
    void = _envelope(headers=[("place", b"1")])

    assert [c.offset for c in recorded_messages([void, _envelope(), _Record(b"junk")])] == [7]
