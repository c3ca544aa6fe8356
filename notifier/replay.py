"""A subscription's way from its start to the live end: from memory as far as that reaches back, else from the log."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence

from aiokafka import ConsumerRecord

from event_schemas.recorded import RecordedMessage, classify
from infra.errors import BrokerAway
from notifier.feed_event import FeedEvent
from notifier.filter_index import matches
from notifier.live_end import LiveEnd
from notifier.log_slices import LogSlices
from notifier.metrics import EVENTS_SENT, REPLAYED
from notifier.sink import ClientSink
from notifier.subscription import Subscription

_RETRY_S = 1.0
_CHUNK_RECORDS = 100
_CHUNK_BYTES = 64 * 1024
"""Bytes that are worked off before others get their turn and the client has to read: a few milliseconds."""
_WALKED = 5_000
_FROM_MEMORY_BYTES = 192 * 1024
_log = logging.getLogger(__name__)


def is_in_memory(subscription: Subscription, live: LiveEnd) -> bool:
    """Whether the records that the subscription misses are in memory, so that no broker is needed."""
    return live.ring.holds(subscription.to_replay())


def replay_from_memory(subscription: Subscription, live: LiveEnd) -> None:
    """Send the next part of what the subscription misses, all of it in memory: what a client takes in one go, in a millisecond or two."""
    ranges = subscription.to_replay()
    own = live.moving(subscription.position({}))
    walked = size = sent = 0
    for event, at_its_own in live.ring.walk(ranges):
        if walked >= _WALKED or size >= _FROM_MEMORY_BYTES:
            break
        walked += 1
        subscription.replayed(event.partition, event.offset)
        if not at_its_own:
            live.moved(own, event.partition, event.offset + 1)
        if matches(subscription.filter, event):
            frame = subscription.frame(event if at_its_own else event.at(own.token()))
            subscription.sink.queue(frame)
            size += len(frame)
            sent += 1
    else:
        subscription.replayed_all()
    REPLAYED.labels("memory").inc(walked)
    EVENTS_SENT.inc(sent)
    subscription.sink.flush()


async def replay(subscription: Subscription, live: LiveEnd, slices: LogSlices, sink: ClientSink) -> None:
    """Send what stands in the log below the watermark, as fast as the client reads it, then what was held, and go live.

    Waits while the broker is away. Raises NewerSchema or LogUnreadable when the log can't be shown without a gap, ClientGone.
    """
    await sink.drained()
    while ranges := subscription.to_replay():
        if is_in_memory(subscription, live):
            replay_from_memory(subscription, live)
            await sink.drained()
            await asyncio.sleep(0)
            continue
        try:
            records = await slices.read(ranges)
        except BrokerAway as error:
            _log.warning("a replay waits for the broker: %s", error)
            await asyncio.sleep(_RETRY_S)
            continue
        for chunk in _chunks(records):
            _send(subscription, live, chunk)
            await sink.drained()
            await asyncio.sleep(0)
    go_live(subscription)


def go_live(subscription: Subscription) -> None:
    """Send what was held, when nothing is left to be replayed."""
    for payload in subscription.go_live():
        subscription.sink.queue(payload)
    subscription.sink.flush()


def _chunks(records: Iterable[ConsumerRecord]) -> Iterator[list[ConsumerRecord]]:
    chunk: list[ConsumerRecord] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record.value or b"")
        if len(chunk) >= _CHUNK_RECORDS or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _send(subscription: Subscription, live: LiveEnd, records: Sequence[ConsumerRecord]) -> None:
    order_key = None if subscription.filter.order_id is None else str(subscription.filter.order_id).encode()
    position = live.moving(subscription.position({}))
    sent = 0
    for record in records:
        # A record that counts has its order's id as key: records of other orders need not be decoded.
        verdict = classify(record) if order_key in {None, record.key} else None
        subscription.replayed(record.partition, record.offset)
        token = live.moved(position, record.partition, record.offset + 1)
        if isinstance(verdict, RecordedMessage):
            event = FeedEvent.of(verdict, token)
            if matches(subscription.filter, event):
                subscription.sink.queue(subscription.frame(event))
                sent += 1
    REPLAYED.labels("log").inc(len(records))
    EVENTS_SENT.inc(sent)
    subscription.sink.flush()
