"""From the log's live end to the subscriptions that match."""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from event_schemas.positions import LogIdentity
from infra.gate import Counted
from notifier.feed_event import FeedEvent
from notifier.filter_index import FilterIndex
from notifier.metrics import DELAY, EVENTS_SENT, SUBSCRIPTIONS
from notifier.outbox import Outbox
from notifier.position_tokens import PositionTokens
from notifier.subscription import Subscription


class SeenLog(Protocol):
    """What the feed knows of the log; `infra.log_tail.LogTail` is one."""

    @property
    def identity(self) -> LogIdentity:
        """Which log it is."""
        ...

    @property
    def ends(self) -> Mapping[int, int]:
        """Per partition the offset after the last record seen; a live view."""
        ...


class LiveEnd:
    """Hands each run of the log's end to the subscriptions that match; subscribed to the log tail by its owner."""

    def __init__(self, log: SeenLog) -> None:
        self._log = log
        self._index: FilterIndex[Subscription] = FilterIndex()
        self._tokens = PositionTokens()

    def add(self, subscription: Subscription) -> None:
        """Offer it what comes from now on."""
        self._index.add(subscription)
        SUBSCRIPTIONS.set(len(self._index))

    def remove(self, subscription: Subscription) -> None:
        """Offer it nothing more."""
        self._index.remove(subscription)
        SUBSCRIPTIONS.set(len(self._index))

    def __len__(self) -> int:
        return len(self._index)

    def token(self, next_offsets: Mapping[int, int]) -> str:
        """The position after these offsets, as clients see it."""
        return self._tokens.token(self._log.identity, next_offsets)

    def delivered(self, partition: int, run: Sequence[Counted], _next_offset: int) -> None:
        """A run of a partition came: one write per connection, however many of its records match."""
        written: dict[Outbox, None] = {}
        for counted in run:
            subscriptions = self._index.wanting(counted.record)
            if not subscriptions:
                continue
            event = FeedEvent.of(counted, self.token({**self._log.ends, partition: counted.offset + 1}))
            for subscription in subscriptions:
                payload = subscription.offered(event, self._log.ends)
                if payload is not None:
                    subscription.outbox.queue(payload)
                    written[subscription.outbox] = None
                    EVENTS_SENT.inc()
        for outbox in written:
            outbox.flush()
        if written:
            DELAY.observe(max(0.0, time.time() - run[0].timestamp_ms / 1000))
