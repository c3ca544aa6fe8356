"""A subscription's way from its start to the live end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from infra.gate import Counted, judge
from notifier.feed_event import FeedEvent
from notifier.filter_index import matches
from notifier.live_end import LiveEnd
from notifier.log_slices import LogSlices
from notifier.metrics import EVENTS_SENT, REPLAYED
from notifier.subscription import Subscription

_RETRY_S = 1.0
_CHUNK_RECORDS = 100
_CHUNK_BYTES = 64 * 1024
"""What is worked off before others get their turn and the client has to read: a few milliseconds."""
_log = logging.getLogger(__name__)


async def replay(subscription: Subscription, live: LiveEnd, slices: LogSlices, drained: Callable[[], Awaitable[None]]) -> None:
    """Send what stands in the log below the watermark, as fast as the client reads it, then what was held, and go live.

    Waits while the broker is away. Raises NewerSchema or BrokenLog when the log can't be shown without a gap.
    """
    while ranges := subscription.to_replay():
        try:
            records = await slices.read(ranges)
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("a replay waits for the broker: %s", str(error) or type(error).__name__)
            await asyncio.sleep(_RETRY_S)
            continue
        for chunk in _chunks(records):
            _send(subscription, live, chunk)
            await drained()
            await asyncio.sleep(0)
    for payload in subscription.go_live():
        subscription.outbox.queue(payload)


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
    REPLAYED.inc(len(records))
    for record in records:
        # A record that counts has its order's id for key: those of others need not be decoded.
        verdict = judge(record) if order_key in {None, record.key} else None
        after = subscription.replayed(record.partition, record.offset)
        if isinstance(verdict, Counted) and matches(subscription.filter, verdict.record):
            subscription.outbox.queue(subscription.frame(FeedEvent.of(verdict, live.token(after))))
            EVENTS_SENT.inc()
    subscription.outbox.flush()
