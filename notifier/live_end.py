"""From the log's live end to the subscriptions that match."""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from event_schemas.positions import LogIdentity, MovingPosition, Position
from event_schemas.recorded import RecordedMessage
from notifier.feed_event import FeedEvent
from notifier.filter_index import FilterIndex
from notifier.metrics import DELAY, EVENTS_SENT, RING_BYTES, RING_RECORDS, SUBSCRIPTIONS
from notifier.ring import Ring
from notifier.sink import FrameSink
from notifier.subscription import Subscription

_PIECE_BYTES = 128 * 1024
"""Bytes of frames for one client after which a run's frames leave: large records must not pile up before a slow client is noticed."""


class SeenLog(Protocol):
    """What the feed knows of the log; `infra.event_log.tail.LogTail` is one."""

    @property
    def identity(self) -> LogIdentity:
        """Which log it is."""
        ...

    @property
    def ends(self) -> Mapping[int, int]:
        """Per partition the offset after the last record seen; a live view."""
        ...


class LiveEnd:
    """Hands each run of the log's end to the ring and to the subscriptions that match; subscribed to the log tail by its owner."""

    def __init__(self, log: SeenLog, ring: Ring) -> None:
        self._log, self.ring = log, ring
        self._index: FilterIndex[Subscription] = FilterIndex()
        self._position: MovingPosition | None = None
        self._within: dict[int, int] = {}

    def begin(self) -> None:
        """Start on a log that was found or that replaced another one: only its end is known."""
        self._position = None
        self.ring.begin(self._log.ends)

    def add(self, subscription: Subscription) -> None:
        """Offer the subscription what comes from now on."""
        self._index.add(subscription)
        SUBSCRIPTIONS.inc()

    def remove(self, subscription: Subscription) -> None:
        """Offer the subscription nothing more."""
        before = len(self._index)
        self._index.remove(subscription)
        SUBSCRIPTIONS.dec(before - len(self._index))

    def __len__(self) -> int:
        return len(self._index)

    @property
    def ends(self) -> Mapping[int, int]:
        """Per partition the offset after the last record that subscriptions were offered."""
        return {**self._log.ends, **self._within}

    def token(self, next_offsets: Mapping[int, int]) -> str:
        """The position after these offsets, as clients see it."""
        return Position.of(self._log.identity, next_offsets).token()

    def end_token(self) -> str:
        """The position of a subscription that is live."""
        return self.token(self.ends) if self._position is None or self._within else self._position.token()

    def moving(self, next_offsets: Mapping[int, int]) -> MovingPosition:
        """The position after these offsets, as an object that moves on with the records sent."""
        return MovingPosition(self._log.identity, next_offsets)

    def moved(self, position: MovingPosition, partition: int, next_offset: int) -> str:
        """Move the position past the records below `next_offset` of this partition; returns its token."""
        return position.moved(self._log.identity, partition, next_offset)

    def delivered(self, partition: int, run: Sequence[RecordedMessage], next_offset: int) -> None:
        """Hand out a run of a partition: one write per connection, however many of its records match."""
        if self._position is None:
            self._position = self.moving(self._log.ends)
        written: dict[FrameSink, None] = {}
        sent = size = 0
        for counted in run:
            event = FeedEvent.of(counted, self.moved(self._position, partition, counted.offset + 1))
            self.ring.add(event)
            self._within = {partition: counted.offset + 1}
            if subscriptions := self._index.wanting(event):
                sent += self._offer(event, subscriptions, written)
                size += len(event.tail)
                if size > _PIECE_BYTES:
                    self._flush(written)
                    size = 0
        self._within = {}
        self.moved(self._position, partition, next_offset)
        self._flush(written)
        if run:
            RING_BYTES.set(self.ring.bytes)
            RING_RECORDS.set(len(self.ring))
        if sent:
            EVENTS_SENT.inc(sent)
            DELAY.observe(max(0.0, time.time() - run[0].timestamp_ms / 1000))

    def _offer(self, event: FeedEvent, subscriptions: Sequence[Subscription], written: dict[FrameSink, None]) -> int:
        made: dict[tuple[bytes, int], bytes] = {}
        sent = 0
        for subscription in subscriptions:
            if subscription.live:
                sink = subscription.sink
                sink.queue(subscription.shared_frame(event, made))
                written[sink] = None
                sent += 1
            else:
                subscription.hold(event, self.ends)
        return sent

    def _flush(self, written: dict[FrameSink, None]) -> None:
        for sink in written:
            sink.flush()
        written.clear()
