"""The contract of ends: stop, back off or come back now, and how long to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_schemas.feed_codes import CloseCode, FeedCode
from notifier.client.endings import End, Then, closed, failed, pause_s, refused, then_of_close, unreachable


@pytest.mark.parametrize(
    ("code", "then"),
    [
        (1000, Then.BACK_OFF),
        (1001, Then.BACK_OFF),
        (1002, Then.STOP),
        (1003, Then.STOP),
        (1006, Then.BACK_OFF),
        (1007, Then.STOP),
        (1008, Then.STOP),
        (1009, Then.STOP),
        (1011, Then.BACK_OFF),
        (1012, Then.BACK_OFF),
        (1013, Then.BACK_OFF),
        (4000, Then.STOP),
        (4099, Then.STOP),
        (4100, Then.BACK_OFF),
        (4199, Then.BACK_OFF),
        (4200, Then.COME_BACK),
        (4299, Then.COME_BACK),
        (4300, Then.BACK_OFF),
    ],
)
def test_each_close_code_says_what_to_do(code: int, then: Then) -> None:
    assert then_of_close(code) is then


def test_every_code_that_the_feed_closes_with_is_in_a_range_of_the_contract() -> None:
    codes = [code for name, code in vars(CloseCode).items() if name.isupper()]
    assert codes
    assert all(4000 <= code < 4300 for code in codes)


@pytest.mark.parametrize(
    ("status", "then"),
    [(400, Then.STOP), (403, Then.STOP), (404, Then.STOP), (429, Then.BACK_OFF), (500, Then.BACK_OFF), (502, Then.BACK_OFF)],
)
def test_a_refused_handshake(status: int, then: Then) -> None:
    assert refused(status, None, "why").then is then


def test_the_server_s_hints_are_heeded_and_bounded() -> None:
    assert refused(503, "7", "").hint_s == 7
    assert refused(503, "Wed, 21 Oct 2026 07:28:00 GMT", "").hint_s == 0
    assert closed(4200, '{"code":"going_away","retry_after_ms":1500}').hint_s == 1.5
    assert closed(4200, '{"code":"going_away","retry_after_ms":-5}').hint_s == 0
    assert pause_s(refused(503, "7", ""), 0, lambda: 0.0) == 7
    assert pause_s(refused(503, "86400", ""), 0, lambda: 0.0) == 60


@given(st.text())
def test_no_reason_is_too_strange(reason: str) -> None:
    assert closed(4100, reason).then is Then.BACK_OFF


def test_errors_that_an_operator_mends_are_waited_out_and_others_are_not() -> None:
    waits = {code for code in FeedCode if failed(code, "why").then is Then.BACK_OFF}
    assert {FeedCode.NOT_READY, FeedCode.LOG_BROKEN, FeedCode.NEWER_SCHEMA} <= waits
    assert failed(FeedCode.VALIDATION_FAILED, "from: no position").then is Then.STOP
    assert failed(FeedCode.MALFORMED_JSON, "no JSON").then is Then.STOP


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_bound_and_are_jittered_over_their_whole_length(tries: int, chance: float) -> None:
    longest, now = pause_s(unreachable("why"), tries, lambda: 1.0), pause_s(End("", Then.COME_BACK), tries, lambda: 1.0)
    assert now <= longest <= 30
    assert pause_s(unreachable("why"), tries + 1, lambda: 1.0) >= longest
    assert pause_s(unreachable("why"), tries, lambda: chance) == pytest.approx(chance * longest)
    assert pause_s(unreachable("why"), tries, lambda: 0.0) == 0
