"""The ring's first records: the records appended last before this process, so that clients of another instance need no broker either."""

import asyncio
import logging
from collections.abc import Mapping

from event_schemas.decoding import NewerSchema
from event_schemas.recorded import RecordedMessage, classify
from infra.errors import Away, LogUnreadable
from notifier.feed_event import FeedEvent
from notifier.live_end import LiveEnd, SeenLog
from notifier.log_slices import LogSlices

_RECORDS = 10_000
_LONGEST_S = 5.0
_log = logging.getLogger(__name__)


async def warm_up(live: LiveEnd, log: SeenLog, slices: LogSlices) -> None:
    """Begin the ring with the log's last 10,000 records, or with none when they can't be read within 5 s."""
    ends = log.ends
    each = _RECORDS // max(1, len(ends))
    starts = {partition: max(0, end - each) for partition, end in ends.items()}
    try:
        async with asyncio.timeout(_LONGEST_S):
            events = await _read(live, log, slices, starts)
    except (Away, TimeoutError, NewerSchema) as error:
        _log.warning("nothing is kept in memory from before: %s", str(error) or type(error).__name__)
        live.begin()
        return
    # In the same step in which the last record was seen: what comes next comes live.
    live.ring.begin(starts)
    for event in events:
        live.ring.add(event)


async def _read(live: LiveEnd, log: SeenLog, slices: LogSlices, starts: Mapping[int, int]) -> list[FeedEvent]:
    """Up to the end as it is when this returns."""
    identity, events, done = log.identity, [], dict(starts)
    position = live.moving(starts)
    while left := {partition: (done[partition], end) for partition, end in log.ends.items() if done.get(partition, end) < end}:
        for record in await slices.read(left):
            done[record.partition] = record.offset + 1
            token = live.moved(position, record.partition, record.offset + 1)
            verdict = classify(record)
            if isinstance(verdict, RecordedMessage):
                events.append(FeedEvent.of(verdict, token))
        await asyncio.sleep(0)
        if log.identity.partitions != identity.partitions:
            raise LogUnreadable("the log was replaced")
    return events
