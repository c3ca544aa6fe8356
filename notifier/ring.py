"""The log's last records in memory, shared by all subscriptions: a client that comes back soon costs the broker nothing. Pure.

Records stand in the order in which this process saw them. Of each partition the ring holds an unbroken run up to the log's end, from
its floor on; the oldest leave first when there are too many.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from notifier.feed_event import FeedEvent

MAX_RECORDS = 200_000
_OVERHEAD = 400
"""Bytes that a record takes beside its frame (measured, see docs/feed.md)."""
_TRIM = 4_096


class _Run:
    """The offsets of one partition, and where in the ring their records stand."""

    __slots__ = ("arrivals", "floor", "gone", "offsets")

    def __init__(self, floor: int) -> None:
        self.floor, self.gone = floor, 0
        self.offsets, self.arrivals = array("q"), array("q")

    def drop_first(self) -> None:
        self.floor = self.offsets[self.gone] + 1
        self.gone += 1
        if self.gone >= _TRIM:
            del self.offsets[: self.gone], self.arrivals[: self.gone]
            self.gone = 0


class Ring:
    """Holds at most `max_bytes` and `max_records`."""

    def __init__(self, max_bytes: int, max_records: int = MAX_RECORDS) -> None:
        self._max_bytes, self._max_records = max_bytes, max_records
        self.begin({})

    def begin(self, ends: Mapping[int, int]) -> None:
        """Forget everything; hold what comes from these offsets on."""
        self._runs = {partition: _Run(end) for partition, end in ends.items()}
        self._events: list[FeedEvent | None] = []
        self._gone = self._before = self.bytes = 0

    def __len__(self) -> int:
        return len(self._events) - self._gone

    def add(self, event: FeedEvent) -> None:
        """Take the next record that counts of its partition."""
        run = self._runs.get(event.partition)
        if run is None:
            return
        run.offsets.append(event.offset)
        run.arrivals.append(self._before + len(self._events))
        self._events.append(event)
        self.bytes += len(event.tail) + _OVERHEAD
        while self.bytes > self._max_bytes or len(self) > self._max_records:
            self._drop_first()

    def holds(self, ranges: Mapping[int, tuple[int, int]]) -> bool:
        """Whether the ring holds every record of these half-open ranges, whose ends were seen."""
        return all((run := self._runs.get(partition)) is not None and start >= run.floor for partition, (start, _) in ranges.items())

    def walk(self, ranges: Mapping[int, tuple[int, int]]) -> Iterator[tuple[FeedEvent, bool]]:
        """The records of these ranges, all of which the ring holds, as they were seen; to be walked in one step of the loop.

        True: the event's own position is valid for a client that has seen everything before it in these ranges, and nothing more.
        """
        first, even = self._before + len(self._events), 0
        for partition, (start, _) in ranges.items():
            run = self._runs[partition]
            found = bisect_left(run.offsets, start, run.gone)
            if found < len(run.arrivals):
                first = min(first, run.arrivals[found])
        for partition, run in self._runs.items():
            # Up to here this process has seen records of other partitions, and the client may be ahead of it there.
            start = ranges[partition][0] if partition in ranges else run.offsets[-1] + 1 if run.offsets else 0
            found = bisect_left(run.offsets, start, run.gone)
            if found > run.gone:
                even = max(even, run.arrivals[found - 1])
        for arrival in range(first, self._before + len(self._events)):
            event = self._events[arrival - self._before]
            assert event is not None
            bounds = ranges.get(event.partition)
            if bounds is not None and bounds[0] <= event.offset < bounds[1]:
                yield event, arrival > even

    def _drop_first(self) -> None:
        event = self._events[self._gone]
        assert event is not None
        self._events[self._gone] = None
        self._gone += 1
        self.bytes -= len(event.tail) + _OVERHEAD
        self._runs[event.partition].drop_first()
        if self._gone >= _TRIM:
            del self._events[: self._gone]
            self._before += self._gone
            self._gone = 0
