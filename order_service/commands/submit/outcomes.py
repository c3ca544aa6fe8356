"""What became of the commands that a submission sent, learned from the feed. Pure but for the clock that it is given."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from event_schemas.positions import Position

_FOREIGN = 100_000
"""Records of unknown commands that are remembered: an answer may come after its command's record, by seconds at most."""


@dataclass
class Counts:
    """How many lines came to each end."""

    accepted: int = 0
    rejected: int = 0
    repeated: int = 0
    failed: int = 0
    rejections: Counter[str] = field(default_factory=Counter)

    def lines(self) -> int:
        """Lines that have come to an end."""
        return self.accepted + self.rejected + self.repeated + self.failed


@dataclass(slots=True)
class Sent:
    """A command that was answered 202 and whose outcome is not known yet."""

    command_id: str
    location: str
    line: int
    since: float


class Outcomes:
    """Matches the feed's records with the commands sent.

    The feed shows each record once. So a record belongs to exactly one of the lines that sent its command; the others are repeats.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.counts = Counts()
        self._clock = clock
        self._waiting: dict[str, deque[Sent]] = {}
        self._order: OrderedDict[int, Sent] = OrderedDict()
        self._early: OrderedDict[str, str | None] = OrderedDict()
        self._position: str | None = None

    def __len__(self) -> int:
        """Commands whose outcome is not known yet."""
        return len(self._order)

    def sent(self, command_id: str, location: str, line: int) -> None:
        """Note that a command was answered 202."""
        if command_id in self._early:
            self._decided(self._early.pop(command_id))
            return
        sent = Sent(command_id, location, line, self._clock())
        self._waiting.setdefault(command_id, deque()).append(sent)
        self._order[line] = sent

    def seen(self, command_id: str, rejected_as: str | None, position: str) -> None:
        """Note a record that the feed showed: `rejected_as` is its code, None for an event; `position` the feed's, this record included."""
        self._position = position
        if command_id in self._waiting:
            self._take(command_id)
            self._decided(rejected_as)
            return
        self._early[command_id] = rejected_as
        if len(self._early) > _FOREIGN:
            self._early.popitem(last=False)

    def reached(self, position: str) -> None:
        """Note how far the feed has come."""
        self._position = position

    @property
    def position(self) -> str | None:
        """How far the feed has come, None before its first word."""
        return self._position

    def overdue(self, age_s: float, at_most: int) -> list[Sent]:
        """Commands that have waited for so long that their record may lie before this submission; the oldest first."""
        latest = self._clock() - age_s
        found: list[Sent] = []
        for sent in self._order.values():
            if sent.since > latest or len(found) == at_most:
                break
            found.append(sent)
        return found

    def known(self, sent: Sent, position: str) -> bool:
        """Note that a command was decided, at `position`. True when it is a repeat: the feed has passed the position and gave no record."""
        if sent.line not in self._order or self._position is None or not _passed(self._position, position):
            return False
        self._take(sent.command_id)
        self.counts.repeated += 1
        return True

    def give_up(self, sent: Sent) -> None:
        """Stop waiting for the command."""
        self._take(sent.command_id)

    def look_again(self, sent: Sent) -> None:
        """The command is not decided yet: let it wait once more."""
        if sent.line in self._order:
            sent.since = self._clock()
            self._order.move_to_end(sent.line)

    def _take(self, command_id: str) -> None:
        lines = self._waiting[command_id]
        del self._order[lines.popleft().line]
        if not lines:
            del self._waiting[command_id]

    def _decided(self, rejected_as: str | None) -> None:
        if rejected_as is None:
            self.counts.accepted += 1
        else:
            self.counts.rejected += 1
            self.counts.rejections[rejected_as] += 1


def _passed(feed: str, record: str) -> bool:
    here = Position.parse(feed).next_offsets
    return all(here.get(partition, 0) >= offset for partition, offset in Position.parse(record).next_offsets.items())
