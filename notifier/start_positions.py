"""Where a subscription starts, and whether its position means anything in this log. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from event_schemas.feed import Subscribe
from event_schemas.feed_codes import EARLIEST, LATEST, FeedCode, ResetReason
from event_schemas.positions import LogIdentity, NoToken, Position
from notifier.requests import Refused


@dataclass(frozen=True)
class StartAt:
    """Per partition the first offset that is wanted."""

    next_offsets: Mapping[int, int]


@dataclass(frozen=True)
class StartAhead:
    """The position lies beyond what this process has seen of the log: it may be seen in a moment, or never."""

    next_offsets: Mapping[int, int]


@dataclass(frozen=True)
class StartNowhere:
    """The position is of another log, or was damaged on its way."""

    reason: ResetReason


def start_of(request: Subscribe, identity: LogIdentity, ends: Mapping[int, int]) -> StartAt | StartAhead | StartNowhere:
    """Where to start in this log, whose end is at `ends`. A partition that the position does not name starts there.

    Raises Refused when the text does not even look like a position: then the client is wrong.
    """
    if request.start == LATEST:
        return StartAt(dict(ends))
    if request.start == EARLIEST:
        return StartAt(dict.fromkeys(ends, 0))
    try:
        return _start_after(Position.parse(request.start), identity, ends)
    except NoToken as error:
        if request.start.startswith("e."):
            return StartNowhere(ResetReason.MALFORMED)
        detail = f"from: must be {LATEST}, {EARLIEST} or a position: {error}"
        raise Refused(FeedCode.VALIDATION_FAILED, detail, request.id) from error


def _start_after(position: Position, identity: LogIdentity, ends: Mapping[int, int]) -> StartAt | StartAhead | StartNowhere:
    begun = [partition for partition, offset in position.next_offsets.items() if offset > 0]
    if position.partitions != identity.partitions:
        return StartNowhere(ResetReason.OTHER_LOG)
    if all(partition in identity.first for partition in begun) and not position.belongs_to(identity):
        return StartNowhere(ResetReason.OTHER_LOG)
    if any(offset > ends[partition] for partition, offset in position.next_offsets.items()):
        return StartAhead(position.next_offsets)
    return StartAt({partition: position.next_offsets.get(partition, end) for partition, end in ends.items()})


def earliest(identity: LogIdentity) -> str:
    """The position before everything: from there nothing is missed."""
    return Position.of(identity, dict.fromkeys(range(identity.partitions), 0)).token()
