"""Counting what a rebuild has folded: rate over the last seconds, percent, time left."""

import time
from collections import deque
from collections.abc import Mapping

from projections.rebuild.progress import Phase, Progress
from projections.rebuild.worker import Reached

_WINDOW_S = 10.0


class Meter:
    """Where each partition is, and how fast all of them go together."""

    def __init__(self, schema: str, ends: Mapping[int, int], next_offsets: Mapping[int, int]) -> None:
        self.schema = schema
        self.ends = dict(ends)
        self.next_offsets = dict(next_offsets)
        self._seen: deque[tuple[float, int]] = deque()

    def reached(self, reached: Reached) -> None:
        """A worker has folded that far. After a kill it may be less than before: what was not saved is repeated."""
        self.next_offsets[reached.partition] = reached.next_offset

    def now(self, phase: Phase) -> Progress:
        """The progress at this moment."""
        records = sum(min(offset, self.ends.get(partition, 0)) for partition, offset in self.next_offsets.items())
        total = sum(self.ends.values())
        moment = time.monotonic()
        self._seen.append((moment, records))
        while len(self._seen) > 2 and self._seen[0][0] < moment - _WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = max(0.0, (records - before) / (moment - since)) if moment > since else 0.0
        left = total - records
        eta = 0.0 if not left and phase == "done" else left / rate if rate else None
        return Progress(self.schema, phase, records, total, rate, eta)
