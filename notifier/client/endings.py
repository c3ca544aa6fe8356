"""How a connection to the feed can end, what a client does then, and for how long it waits first. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from event_schemas.feed_codes import FeedCode

_FIRST_S, _LONGEST_S = 0.25, 30.0
_HINT_AT_MOST_S = 60.0
"""A server may ask for a longer pause than a client would make by itself, but not for an endless one."""
_OURS = {
    FeedCode.MALFORMED_JSON,
    FeedCode.VALIDATION_FAILED,
    FeedCode.UNKNOWN_TYPE,
    FeedCode.SUBSCRIPTION_EXISTS,
    FeedCode.SUBSCRIPTION_UNKNOWN,
    FeedCode.TOO_MANY_SUBSCRIPTIONS,
}
"""Codes of `error` frames that say the request was wrong; any other is not for the client to mend."""
_OUR_FAULT = {1002, 1003, 1007, 1008, 1009}
"""The protocol's own codes for a frame that was wrong, and would be again."""


class Then(Enum):
    """What to do after an end."""

    STOP = "stop: this client or its request must be mended first"
    BACK_OFF = "come back later"
    COME_BACK = "come back now, best elsewhere"


@dataclass(frozen=True, slots=True)
class End:
    """A connection's end. `hint_s`: the pause that the server asked for."""

    detail: str
    then: Then
    hint_s: float = 0.0
    code: str | None = None


def closed(code: int, reason: str) -> End:
    """The connection was closed; 1006 when no code came."""
    said = _object(reason)
    word = said.get("code")
    return End(
        f"the feed closed the connection: {word or reason or 'without a reason'} ({code})",
        then_of_close(code),
        _seconds(said.get("retry_after_ms"), 0.001),
        word if isinstance(word, str) else None,
    )


def then_of_close(code: int) -> Then:
    """The contract of close codes (docs/feed.md)."""
    if 4000 <= code < 4100 or code in _OUR_FAULT:
        return Then.STOP
    return Then.COME_BACK if 4200 <= code < 4300 else Then.BACK_OFF


def refused(status: int, retry_after: str | None, body: str) -> End:
    """The server answered the handshake with another status than 101."""
    stop = 400 <= status < 500 and status not in {408, 425, 429}
    detail = f"the feed refuses: {status} {body.strip()}".strip()
    return End(detail, Then.STOP if stop else Then.BACK_OFF, _seconds(retry_after, 1.0))


def unreachable(detail: str) -> End:
    """No answer came, or none that a feed gives."""
    return End(f"no feed answers: {detail}", Then.BACK_OFF)


def failed(code: str, detail: str) -> End:
    """An `error` frame."""
    return End(detail, Then.STOP if code in _OURS else Then.BACK_OFF, code=code)


def pause_s(end: End, tries: int, chance: Callable[[], float]) -> float:
    """Seconds to wait: what the server asked for, and a random share of a growing bound (full jitter), so that a crowd spreads out.

    `tries`: failed attempts since anything last came.
    """
    exponent = tries if end.then is Then.COME_BACK else tries + 2
    return min(end.hint_s, _HINT_AT_MOST_S) + chance() * min(_LONGEST_S, _FIRST_S * 2.0 ** min(exponent, 10))


def _object(text: str) -> dict[str, Any]:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(value: object, unit_s: float) -> float:
    try:
        seconds = float(str(value))
    except ValueError:  # none, or a date, which no feed of ours sends
        return 0.0
    return seconds * unit_s if seconds > 0 else 0.0
