"""What a client may say, and where its subscription starts."""

from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_schemas.feed import Subscribe, Unsubscribe
from event_schemas.feed_codes import FeedCode, ResetReason
from event_schemas.positions import LogIdentity, Position
from notifier.requests import Refused, read_request
from notifier.start_positions import StartAhead, StartAt, StartNowhere, earliest, start_of

LOG = LogIdentity(3, {0: b"a", 2: b"c"})
ENDS = {0: 5, 1: 0, 2: 9}


def test_a_subscription_is_read_with_its_defaults() -> None:
    assert read_request('{"type":"subscribe"}') == Subscribe()
    order = "6a1f0e7c-7a35-5c5f-8b6d-0d6f3ad1c001"
    request = read_request(orjson.dumps({"type": "subscribe", "id": "x", "from": "earliest", "filter": {"order_id": order}}).decode())
    assert isinstance(request, Subscribe)
    assert (request.id, request.start, request.filter.order_id) == ("x", "earliest", UUID(order))
    assert read_request('{"type":"unsubscribe","id":"x"}') == Unsubscribe(id="x")


@given(
    st.text() | st.binary() | st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(str)
)
def test_whatever_is_sent_is_read_or_refused_with_a_reason(message: str | bytes) -> None:
    refusal = None
    try:
        read_request(message)
    except Refused as refused:
        refusal = refused
    assert refusal is None or (refusal.detail and refusal.frame().encoded())


def test_the_id_of_a_refused_frame_is_echoed() -> None:
    with pytest.raises(Refused) as refused:
        read_request('{"type":"subscribe","id":"mine","from":5}')
    assert orjson.loads(refused.value.frame().encoded())["id"] == "mine"
    assert refused.value.code == FeedCode.VALIDATION_FAILED


def start(text: str) -> StartAt | StartAhead | StartNowhere:
    """Where a subscription from there starts."""
    return start_of(Subscribe(start=text), LOG, ENDS)


def test_latest_and_earliest() -> None:
    assert start("latest") == StartAt(ENDS)
    assert start("earliest") == StartAt({0: 0, 1: 0, 2: 0})
    assert start(earliest(LOG)) == StartAt({0: 0, 1: 0, 2: 0})


def test_a_position_of_one_partition_starts_the_others_at_latest() -> None:
    assert start(Position.of(LOG, {0: 3}).token()) == StartAt({0: 3, 1: 0, 2: 9})


def test_a_position_ahead_of_what_was_seen_may_still_come() -> None:
    assert start(Position.of(LOG, {0: 6}).token()) == StartAhead({0: 6})
    begun = LogIdentity(3, {0: b"a", 1: b"b", 2: b"c"})
    assert start(Position.of(begun, {1: 1}).token()) == StartAhead({1: 1})


def test_a_position_of_another_log_starts_nowhere() -> None:
    assert start(Position.of(LogIdentity(3, {0: b"z"}), {0: 3}).token()) == StartNowhere(ResetReason.OTHER_LOG)
    assert start(Position.of(LogIdentity(4), {0: 0}).token()) == StartNowhere(ResetReason.OTHER_LOG)


@pytest.mark.parametrize("cut", [3, 9, 12, -1])
def test_a_damaged_position_starts_nowhere(cut: int) -> None:
    token = Position.of(LOG, {0: 3, 1: 0, 2: 9}).token()
    assert start(token[:cut]) == StartNowhere(ResetReason.MALFORMED)
    assert start("e.é" + token[3:]) == StartNowhere(ResetReason.MALFORMED)


@pytest.mark.parametrize("text", ["yesterday", "c.AAA", "E.AAA", "0"])
def test_what_does_not_look_like_a_position_is_the_client_s_fault(text: str) -> None:
    with pytest.raises(Refused) as refused:
        start(text)
    assert refused.value.code == FeedCode.VALIDATION_FAILED
