"""Which `traceparent` starts a trace, and what of a foreign writer's headers is handed on."""

import pytest

from event_schemas.trace_context import MAX_TRACEPARENT, trace_id, traceparent_of

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE = f"00-{ID}-00f067aa0ba902b7-01"
LATER = "cc" + TRACE[2:]


@pytest.mark.parametrize(
    "traceparent", [TRACE, LATER, LATER + "-", LATER + "-what the future brings", LATER + "-" + "a" * (MAX_TRACEPARENT - len(LATER) - 1)]
)
def test_one_of_this_version_or_of_a_later_one_starts_a_trace(traceparent: str):
    assert trace_id(traceparent) == ID


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        TRACE[:-1],
        TRACE + "-",
        TRACE + "-more",
        TRACE + "\n",
        "ff" + TRACE[2:],
        TRACE.upper(),
        TRACE.replace(ID, "0" * 32),
        TRACE.replace("00f067aa0ba902b7", "0" * 16),
        LATER + "more",
        LATER + "-\x00",
        LATER + "-\x7f",
        LATER + "-é",
        LATER + "-" + "a" * (MAX_TRACEPARENT - len(LATER)),
    ],
)
def test_any_other_starts_none(traceparent: str):
    assert trace_id(traceparent) is None


def test_of_a_commands_headers_the_one_valid_traceparent_is_handed_on():
    assert traceparent_of([("other", b"stays behind"), ("traceparent", TRACE.encode())]) == TRACE.encode()


@pytest.mark.parametrize(
    "values", [[], [None], [b""], [b"\xff\xfe"], [TRACE.encode(), TRACE.encode()], [TRACE.encode() + b"-" + b"a" * 1_048_000]]
)
def test_of_others_nothing_is_handed_on(values: list[bytes | None]):
    assert traceparent_of([("traceparent", value) for value in values]) is None
