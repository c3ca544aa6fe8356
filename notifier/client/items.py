"""What a client of the feed hands to its caller, item by item, and what was handed out before (`Held`). No input or output.

`position` on an item: everything up to it has been handed out. Keep it once the item is dealt with, and start there next time.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Joined:
    """A connection stands, and what comes begins after `position`; None when a snapshot comes first."""

    url: str
    position: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Orders that match, as they stand; put each in the place of what was known of it. An order comes in full or not at all.

    `position` is None while more of the snapshot follows: an interrupted one is asked for again.
    """

    orders: tuple[dict[str, Any], ...]
    position: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """A record that matches, each once: the envelope as it stands in the log. None is older than what was known of its order."""

    event: dict[str, Any]
    position: str


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What was there has been handed out; what follows is live."""

    position: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Nothing more matched up to here; worth keeping, so that a quiet filter's position does not grow old."""

    position: str


@dataclass(frozen=True, slots=True)
class Reset:
    """The position meant nothing in this log: forget everything that was folded.

    The client begins anew by itself, from `position`, or with a snapshot if it was to begin with one; then `position` is None.
    """

    reason: str
    position: str | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone; the client tries again in `again_in_s` seconds. `code`: the server's word for why, if it said one."""

    detail: str
    again_in_s: float
    code: str | None = None


Item = Joined | Snapshot | Event | CaughtUp | Passed | Reset | Lost


class FeedStopped(Exception):
    """The feed will not serve this however often it is asked; the text says what would be right. `code`: the server's word for why."""

    def __init__(self, detail: str, code: str | None = None) -> None:
        super().__init__(detail)
        self.code = code


MOST = 100_000
"""Orders, and as many rejections: about 30 MB when full. A repeat reaches back by what was under way at a lost connection."""


class Held:
    """What was handed out, as far back as a repeat can reach."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._rejections: OrderedDict[str, None] = OrderedDict()

    def is_new(self, event: dict[str, Any]) -> bool:
        """Whether this event was not handed out yet; from now on it is held."""
        if event["type"] == "CommandRejected":
            new = event["id"] not in self._rejections
            self._rejections[event["id"]] = None
            self._used(self._rejections, event["id"])
            return new
        return self.raises(event["order_id"], event["version"])

    def raises(self, order_id: str, version: int) -> bool:
        """Whether this is a later version of the order than the one held; from now on it is held."""
        if version <= self._versions.get(order_id, 0):
            return False
        self._versions[order_id] = version
        self._used(self._versions, order_id)
        return True

    def __len__(self) -> int:
        return len(self._versions) + len(self._rejections)

    def _used(self, held: "OrderedDict[str, Any]", key: str) -> None:
        held.move_to_end(key)
        if len(held) > self.most:
            held.popitem(last=False)
