"""An event as the feed sends it: its bytes are made once and shared by all subscriptions, each puts its own head before them. Pure."""

from dataclasses import dataclass

import orjson

from infra.gate import Counted


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """A record of the log with the feed's position after it. `tail`: the frame's bytes from the position on."""

    counted: Counted
    tail: bytes

    @classmethod
    def of(cls, counted: Counted, position: str) -> "FeedEvent":
        """The envelope's bytes are taken from the log as they are, so that a field of a later release reaches the client."""
        return cls(counted, b'"position":"%b","event":%b}' % (position.encode(), counted.value))


def event_head(subscription_id: str | None) -> bytes:
    """A subscription's part of its event frames, up to the number that follows."""
    named = b"" if subscription_id is None else b'"id":%b,' % orjson.dumps(subscription_id)
    return b'{"type":"event",%b"seq":' % named
