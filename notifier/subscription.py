"""One subscription: first what stands in the log, then what comes live, each record once and in the order of its partition. Pure.

It is registered with the live end first. What is below the watermark (the log's end at that moment) is replayed from the log,
what is at or above it comes live and is held until the replay is through. If too much would have to be held, it is dropped
and the watermark moves to the log's present end: the log itself is the buffer.
"""

from collections.abc import Mapping

from event_schemas.feed import FeedFilter
from infra.gate import Counted
from infra.kafka import partition_of
from notifier.feed_event import FeedEvent, event_head
from notifier.outbox import Outbox

HELD_BYTES = 256 * 1024
"""Most that is held of what comes live during a replay."""


class Subscription:
    """The state of one subscription; all methods run in one step of the loop, so `ends` is the log's end as seen in that step."""

    def __init__(
        self, wanted: FeedFilter, start: Mapping[int, int], ends: Mapping[int, int], *, outbox: Outbox, subscription_id: str | None = None
    ) -> None:
        self.filter, self.outbox, self.id = wanted, outbox, subscription_id
        self.live = False
        self._head = event_head(subscription_id)
        self._seq = 0
        self._next_offsets = dict(start)
        self._partition = None if wanted.order_id is None else partition_of(str(wanted.order_id), len(ends))
        self._held: list[FeedEvent] = []
        self._held_bytes = 0
        self._set_watermark(ends)

    def position(self, ends: Mapping[int, int]) -> Mapping[int, int]:
        """Everything below these offsets that matches has been sent."""
        return ends if self.live else self._next_offsets

    def to_replay(self) -> dict[int, tuple[int, int]]:
        """Per partition, from where to where the log is still to be replayed; empty when nothing is."""
        return {
            partition: (self._next_offsets[partition], end)
            for partition, end in self._watermark.items()
            if self._next_offsets[partition] < end
        }

    def replayed(self, partition: int, offset: int) -> Mapping[int, int]:
        """The record there was read from the log. Returns the position after it; only now may its frame be made."""
        self._next_offsets[partition] = offset + 1
        return self._next_offsets

    def go_live(self) -> list[bytes]:
        """The replay is through: the frames of what was held meanwhile. Only when `to_replay` is empty, in the same step."""
        assert not self.live
        assert not self.to_replay()
        self.live = True
        held, self._held = self._held, []
        return [self.frame(event) for event in held]

    def offered(self, event: FeedEvent, ends: Mapping[int, int]) -> bytes | None:
        """A record that matches came live: its frame if it is to be sent now, None if it is held or will be replayed."""
        if self.live:
            return self.frame(event)
        if self._in_replay(event.counted):
            return None
        self._held.append(event)
        self._held_bytes += len(event.tail)
        if self._held_bytes > HELD_BYTES:
            self._set_watermark(ends)
        return None

    def frame(self, event: FeedEvent) -> bytes:
        """The next event frame of this subscription."""
        self._seq += 1
        return b"%b%d,%b" % (self._head, self._seq, event.tail)

    def _in_replay(self, counted: Counted) -> bool:
        return counted.offset < self._watermark.get(counted.partition, 0)

    def _set_watermark(self, ends: Mapping[int, int]) -> None:
        """Replay up to here, take live what comes from here on."""
        self._watermark = dict(ends)
        self._held.clear()
        self._held_bytes = 0
        if self._partition is not None:
            # An order's records stand on one partition: nothing on the others can match.
            self._next_offsets |= {partition: end for partition, end in ends.items() if partition != self._partition}
