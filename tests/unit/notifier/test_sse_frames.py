"""Frames as server-sent events: what a browser reads back is the frame, and its id is the position to go on from."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from event_schemas.feed import CaughtUp, FeedError, Heartbeat, Reset, Snapshot, Subscribed
from event_schemas.feed_codes import FeedCode, ResetReason
from event_schemas.recorded import RecordedMessage
from notifier.feed_event import FeedEvent, event_head
from notifier.sse.sink import SseFrames, closing, retry
from tests.support.records import created


def parsed(event: bytes) -> dict[str, str]:
    """One event, read as the standard says; it must be one."""
    assert event.endswith(b"\n\n")
    lines = event.decode()[:-2].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    fields = [line.partition(": ") for line in lines]
    assert len({name for name, _, _ in fields}) == len(fields)
    return {name: value for name, _, value in fields}


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (Subscribed(position="e.A"), "subscribed"),
        (CaughtUp(position="e.A"), "caught_up"),
        (Heartbeat(position="e.A"), "heartbeat"),
        (Reset(reason=ResetReason.OTHER_LOG, position="e.A"), "reset"),
    ],
)
def test_each_frame_is_an_event_of_its_name_with_its_position_as_id(frame: Any, name: str) -> None:
    assert parsed(SseFrames().event(frame.encoded())) == {"event": name, "id": "e.A", "data": frame.encoded().decode()}


def test_an_error_has_a_name_that_browsers_do_not_use_and_no_position() -> None:
    detail = 'the "position":"e.B" is wrong'
    frame = FeedError(code=FeedCode.LOG_BROKEN, detail=detail)
    event = parsed(SseFrames().event(frame.encoded()))
    assert event.keys() == {"event", "data"}
    assert event["event"] == "failed"
    assert orjson.loads(event["data"])["detail"] == detail


@example(customer_id=",", between="\n")
@given(st.text(min_size=1, max_size=50), st.sampled_from(["\n", "\r", "\r\n", " "]))
def test_a_record_is_one_event_however_its_json_was_written(customer_id: str, between: str) -> None:
    record = created(customer_id="placeholder")
    members = orjson.loads(record.encoded())
    members["data"]["customer_id"] = customer_id
    value = orjson.dumps(members, option=orjson.OPT_INDENT_2).replace(b"\n", between.encode())
    payload = event_head(None) + b"7," + FeedEvent.of(RecordedMessage(record, 0, 7, 0, 0, value), "e.AAA").tail
    event = parsed(SseFrames().event(payload))
    assert (event["event"], event["id"]) == ("event", "e.AAA")
    assert orjson.loads(event["data"]) == {"type": "event", "seq": 7, "position": "e.AAA", "event": orjson.loads(value)}


def test_there_is_nothing_to_go_on_from_before_a_snapshot_is_complete() -> None:
    frames = SseFrames(snapshot=True)
    said: list[BaseModel] = [
        Subscribed(position="e.A"),
        Snapshot(position="e.A", orders=[{"more": False}], more=True),
        Heartbeat(position="e.A"),
        Snapshot(position="e.A", orders=[], more=False),
        CaughtUp(position="e.B"),
    ]
    ids = [parsed(frames.event(frame.encoded())).get("id") for frame in said]  # type: ignore[attr-defined]
    assert ids == [None, None, None, "e.A", "e.B"]


def test_a_stream_is_over_after_its_subscription() -> None:
    over = []
    for frame in (Subscribed(position="e.A"), CaughtUp(position="e.A"), Reset(reason=ResetReason.OTHER_LOG, position="e.A")):
        frames = SseFrames()
        frames.event(frame.encoded())
        over.append(frames.over)
    assert over == [False, False, True]


def test_what_is_said_beside_the_frames() -> None:
    assert retry(1500) == b"retry: 1500\n\n"
    assert parsed(closing(b'{"code":"slow"}')) == {"event": "closing", "data": '{"code":"slow"}'}
