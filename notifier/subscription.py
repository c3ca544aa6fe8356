"""One subscription: first what stands in the log, then what comes live, each record once and in the order of its partition. Pure.

A subscription is registered with the live end first. What is below the watermark (the log's end at that moment) is replayed, what is at or
above it comes live and is held until the replay is through. If too much would have to be held, all of that is dropped and the watermark
moves to the log's present end: the log itself is the buffer. A client that does not read is parked: its subscriptions are
nothing but a position then, and begin again from there when it reads.
"""

from collections.abc import Mapping

from event_schemas.feed import FeedFilter
from infra.kafka.partitioner import partition_of
from notifier.feed_event import FeedEvent, event_head
from notifier.sink import FrameSink

HELD_BYTES = 256 * 1024
"""Most that is held of what comes live during a replay."""
_NOTHING: dict[int, int] = {}


class Subscription:
    """The state of one subscription; all methods run in one step of the loop, so `ends` is the log's end as seen in that step."""

    __slots__ = ("_head", "_held", "_held_bytes", "_next_offsets", "_partition", "_seq", "_watermark", "filter", "id", "live", "sink")

    def __init__(
        self, wanted: FeedFilter, start: Mapping[int, int], ends: Mapping[int, int], *, sink: FrameSink, subscription_id: str | None = None
    ) -> None:
        self.filter, self.sink, self.id = wanted, sink, subscription_id
        self._head = event_head(subscription_id)
        self._seq = 0
        self._partition = None if wanted.order_id is None else partition_of(str(wanted.order_id), len(ends))
        self._held: list[FeedEvent] = []
        self._begin(start, ends)

    def _begin(self, start: Mapping[int, int], ends: Mapping[int, int]) -> None:
        self.live = False
        self._next_offsets = dict(start)
        self._set_watermark(ends)

    def position(self, ends: Mapping[int, int]) -> Mapping[int, int]:
        """Everything below these offsets that matches has been sent."""
        return ends if self.live else self._next_offsets

    @property
    def watermark(self) -> Mapping[int, int]:
        """Up to where the log is to be replayed; what stands there and beyond comes live."""
        return self._watermark

    def to_replay(self) -> dict[int, tuple[int, int]]:
        """Per partition, from where to where the log is still to be replayed; empty when nothing is."""
        return {
            partition: (self._next_offsets[partition], end)
            for partition, end in self._watermark.items()
            if self._next_offsets[partition] < end
        }

    def replayed(self, partition: int, offset: int) -> None:
        """Note that the record there was read, whether it matches or not; only now may its frame be made."""
        self._next_offsets[partition] = offset + 1

    def replayed_all(self) -> None:
        """Note that there is nothing more below the watermark."""
        self._next_offsets |= self._watermark

    def go_live(self) -> list[bytes]:
        """End the replay; returns the frames of what was held meanwhile. Only when `to_replay` is empty, in the same step."""
        assert not self.live
        assert not self.to_replay()
        self.live = True
        held, self._held = self._held, []
        self._next_offsets = self._watermark = _NOTHING
        return [self.frame(event) for event in held]

    def park(self, ends: Mapping[int, int]) -> None:
        """Take nothing more; only the position is kept."""
        assert self.live
        self._begin(ends, ends)

    def resume(self, ends: Mapping[int, int]) -> None:
        """End the parking of a subscription that is registered again in the same step: what came meanwhile is to be replayed."""
        assert not self.live
        self._set_watermark(ends)

    def hold(self, event: FeedEvent, ends: Mapping[int, int]) -> None:
        """Keep a matching record that came live while the replay is under way; `ends` include it."""
        self._held.append(event)
        self._held_bytes += len(event.tail)
        if self._held_bytes > HELD_BYTES:
            self._set_watermark(ends)

    def frame(self, event: FeedEvent) -> bytes:
        """The next event frame of this subscription."""
        self._seq += 1
        return b"%b%d,%b" % (self._head, self._seq, event.tail)

    def shared_frame(self, event: FeedEvent, made: dict[tuple[bytes, int], bytes]) -> bytes:
        """As `frame`; subscriptions that have come equally far share its bytes by `made`, one for each event."""
        self._seq += 1
        key = (self._head, self._seq)
        payload = made.get(key)
        if payload is None:
            payload = made[key] = b"%b%d,%b" % (self._head, self._seq, event.tail)
        return payload

    def _set_watermark(self, ends: Mapping[int, int]) -> None:
        """Replay up to here, take live what comes from here on."""
        self._watermark = dict(ends)
        self._held.clear()
        self._held_bytes = 0
        if self._partition is not None:
            # An order's records stand on one partition: nothing on the others can match.
            self._next_offsets |= {partition: end for partition, end in ends.items() if partition != self._partition}
