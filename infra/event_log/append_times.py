"""How old the oldest record is that a reader has not applied: a bounded memory of when offsets were appended. Pure."""

from bisect import bisect_right
from dataclasses import dataclass, field

_RESOLUTION_MS = 100
_REMEMBERED = 2_048


@dataclass(slots=True)
class PartitionAges:
    """When the offsets of one partition were appended, to about 100 ms; what is long ago is remembered more coarsely.

    `offsets` ascend, and each stands for the records from it up to the next one.
    """

    offsets: list[int] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)

    @property
    def begun(self) -> int:
        """The first offset whose time is known; earlier records count as equally old."""
        return self.offsets[0] if self.offsets else 0

    def remember(self, offset: int, timestamp_ms: int) -> None:
        """The record at `offset` was appended at that time. Offsets come in ascending order."""
        if self.timestamps_ms and timestamp_ms < self.timestamps_ms[-1] + _RESOLUTION_MS:
            return
        self.offsets.append(offset)
        self.timestamps_ms.append(timestamp_ms)
        if len(self.offsets) > _REMEMBERED:
            # Every second entry of the older half goes: a reader that is far behind needs no fine answer.
            del self.offsets[1 : _REMEMBERED // 2 : 2], self.timestamps_ms[1 : _REMEMBERED // 2 : 2]

    def appended_ms(self, offset: int) -> int | None:
        """When the record at `offset` was appended: never much too late; the oldest remembered time if the record is older still."""
        if not self.offsets:
            return None
        return self.timestamps_ms[max(0, bisect_right(self.offsets, offset) - 1)]
