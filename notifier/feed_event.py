"""An event as the feed sends it. Its bytes are made once and shared by all subscriptions; each puts its own head before them. Pure."""

from dataclasses import dataclass
from uuid import UUID

import orjson

from event_schemas.recorded import RecordedMessage


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """A record of the log with the feed's position after it. `tail`: the frame from `position` on. `cut`: index in `tail` where the
    position ends.
    """

    partition: int
    offset: int
    order_id: UUID
    customer_id: str | None
    type: str
    tail: bytes
    cut: int

    @classmethod
    def of(cls, counted: RecordedMessage, position: str) -> "FeedEvent":
        """Make the event of a record. The envelope's bytes are the log's own, so that a field of a later release reaches the client."""
        record = counted.record
        return cls(
            counted.partition,
            counted.offset,
            record.order_id,
            record.data.customer_id,
            record.type,
            b'"position":"%b","event":%b}' % (position.encode(), counted.value),
            _POSITION_BYTES + len(position),
        )

    def at(self, position: str) -> "FeedEvent":
        """The same record with another position after it: for a client that has seen more of other partitions."""
        tail = b'"position":"%b%b' % (position.encode(), self.tail[self.cut :])
        return FeedEvent(self.partition, self.offset, self.order_id, self.customer_id, self.type, tail, _POSITION_BYTES + len(position))


_POSITION_BYTES = len(b'"position":"')


def event_head(subscription_id: str | None) -> bytes:
    """A subscription's part of its event frames, up to the number that follows."""
    named = b"" if subscription_id is None else b'"id":%b,' % orjson.dumps(subscription_id)
    return b'{"type":"event",%b"seq":' % named
