"""Bytes on the wire, and who may open it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from event_schemas.feed import EventFrame
from event_schemas.recorded import RecordedMessage
from notifier.admission import allowed_origins, may_open
from notifier.feed_event import FeedEvent, event_head
from notifier.websocket.connection import text_frame
from tests.support.records import created


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_frames_are_those_of_the_library(length: int) -> None:
    payload = b"x" * length
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(st.none() | st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable()))
def test_a_spliced_event_is_the_event_frame_of_the_contract(subscription_id: str | None) -> None:
    record = created(customer_id='zoë "quoted"')
    event = FeedEvent.of(RecordedMessage(record, 0, 7, 0, 0, record.encoded()), "e.AAA")
    for position, shown in [("e.AAA", event), ("e.LONGER", event.at("e.LONGER")), ("e.", event.at("e.LONGER").at("e."))]:
        frame = orjson.loads(event_head(subscription_id) + b"%d," % 3 + shown.tail)
        contract = EventFrame(id=subscription_id, seq=3, position=position, event=orjson.loads(record.encoded()))
        assert frame == orjson.loads(contract.encoded())


@pytest.mark.parametrize(
    ("origin", "host", "listed", "may"),
    [
        ("http://localhost:3000", "127.0.0.1:8001", None, True),
        ("http://127.0.0.1:8000", "127.0.0.1:8001", None, True),
        ("http://[::1]:8000", "127.0.0.1:8001", None, True),
        ("https://orders.example", "orders.example:8001", None, True),
        ("https://evil.example", "orders.example:8001", None, False),
        ("https://orders.example.evil.example", "orders.example", None, False),
        ("null", "127.0.0.1:8001", None, False),
        ("http://[", "127.0.0.1:8001", None, False),
        ("https://shop.example", "orders.example", "https://shop.example/ , https://b.example", True),
        ("https://orders.example", "orders.example", "https://shop.example", False),
        ("https://any.example", "orders.example", "*", True),
    ],
)
def test_origins(origin: str, host: str, listed: str | None, may: bool) -> None:
    assert may_open(origin, host, allowed_origins(listed)) is may
