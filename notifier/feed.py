"""What all clients of the feed share: the log's live end, reads of the log for replays, and where a subscription starts."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka.errors import KafkaError

from event_schemas.feed import FeedCode, ResetReason, Subscribe
from infra.log_tail import LogTail
from notifier.live_end import LiveEnd
from notifier.log_slices import LogSlices
from notifier.requests import Refused
from notifier.starts import StartAhead, StartAt, StartNowhere, start_of

_AHEAD_S = 10.0


@dataclass(frozen=True)
class Feed:
    """One per process."""

    log: LogTail
    live: LiveEnd
    slices: LogSlices
    heartbeat_s: float

    async def start_of(self, request: Subscribe) -> Mapping[int, int] | StartNowhere:
        """Where the subscription starts, decided in the same step in which this returns.

        A position ahead of what this process has seen (another instance gave it out, or the answer to a write) is waited for.
        Raises Refused when the position is none, or can't be judged now.
        """
        start = start_of(request, self.log.identity, self.log.ends)
        if isinstance(start, StartAhead):
            if not await self._exists(request, start.next_offsets):
                return StartNowhere(ResetReason.BEYOND_THE_END)
            if not await self.log.wait_until(start.next_offsets, _AHEAD_S):
                raise _not_ready(request)
            start = start_of(request, self.log.identity, self.log.ends)
        match start:
            case StartAt(next_offsets):
                return next_offsets
            case StartAhead():
                return StartNowhere(ResetReason.LOG_REPLACED)
            case StartNowhere():
                return start

    async def _exists(self, request: Subscribe, next_offsets: Mapping[int, int]) -> bool:
        try:
            ends = await self.slices.ends()
        except (KafkaError, OSError, TimeoutError) as error:
            raise _not_ready(request) from error
        return all(offset <= ends.get(partition, 0) for partition, offset in next_offsets.items())


def _not_ready(request: Subscribe) -> Refused:
    return Refused(FeedCode.NOT_READY, "the log can't be read up to this position now: subscribe again in a few seconds", request.id)
