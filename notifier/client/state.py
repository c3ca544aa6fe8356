"""A client of the feed without its connection: what it asks for, what it makes of each frame, where it goes on. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from event_schemas.feed_codes import LATEST
from notifier.client.endings import End, Then, failed, pause_s
from notifier.client.items import CaughtUp, Event, FeedStopped, Held, Item, Joined, Lost, Passed, Reset, Snapshot


@dataclass(frozen=True)
class Wanted:
    """What is asked for. `filter`: as in a `subscribe` frame. `start`: latest, earliest or a position that was kept.

    `snapshot`: begin with the matching orders as they stand, unless there is a position to go on from. Needs an order or a customer.
    """

    filter: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    start: str = LATEST
    snapshot: bool = False


class Taken(NamedTuple):
    """What a frame comes to: an item for the caller, or none; and whether this connection is to be left."""

    item: Item | None
    end: End | None = None


class Following:
    """One subscription through any number of connections. `urls`: instances of the feed, any of which will do.

    Each connection: `subscribe` once, then `taken` for each frame until it is to be left, then `lost`.
    """

    def __init__(self, wanted: Wanted, urls: Sequence[str], *, chance: Callable[[], float], held: Held | None = None) -> None:
        self._wanted, self._urls, self._chance = wanted, list(urls), chance
        self._held = held or Held()
        # Not all clients begin at the first instance.
        self._turn = int(chance() * len(self._urls))
        self._tries = 0
        self._seq = 0
        self._resume: str | None = None if wanted.snapshot and wanted.start == LATEST else wanted.start

    @property
    def position(self) -> str | None:
        """Where to go on; None while only the beginning of a snapshot came."""
        return self._resume

    @property
    def url(self) -> str:
        """Where to connect now."""
        return self._urls[self._turn % len(self._urls)]

    def subscribe(self) -> str:
        """The first frame for a connection that stands."""
        self._seq = 0
        begin = {"snapshot": True} if self._resume is None else {"from": self._resume}
        return orjson.dumps({"type": "subscribe", "filter": dict(self._wanted.filter), **begin}).decode()

    def taken(self, message: str | bytes) -> Taken:
        """Take a frame. Kinds that this release does not know are passed by."""
        frame = _frame(message)
        match frame.get("type"):
            case "event":
                return self._event(frame)
            case "reset":
                return self._reset(frame)
            case "error":
                return Taken(None, failed(frame["code"], frame["detail"]))
            case "snapshot" | "subscribed" | "caught_up" | "heartbeat":
                return Taken(self._word(frame))
            case None:
                return Taken(None, End("what came is no frame of the feed", Then.BACK_OFF))
        return Taken(None)

    def lost(self, end: End) -> Lost:
        """Note that the connection is over or failed; returns what to tell the caller, and how long to wait before the next one.

        Raises FeedStopped when coming back would not help.
        """
        if end.then is Then.STOP:
            raise FeedStopped(end.detail, end.code)
        # A pause grows only when all instances were tried in vain.
        wait_s = pause_s(end, self._tries // len(self._urls), self._chance)
        self._tries += 1
        self._turn += 1
        return Lost(end.detail, wait_s, end.code)

    def _event(self, frame: dict[str, Any]) -> Taken:
        self._seq += 1
        if frame["seq"] != self._seq:
            # Nothing of this connection can be trusted from here on; what was handed out before is whole.
            return Taken(None, End(f"event {frame['seq']} came where {self._seq} was due: one was lost on the way", Then.BACK_OFF))
        position = self._moved(frame)
        return Taken(Event(frame["event"], position) if self._held.is_new(frame["event"]) else None)

    def _word(self, frame: dict[str, Any]) -> Item | None:
        match frame["type"]:
            case "snapshot":
                return self._snapshot(frame)
            case "caught_up":
                return CaughtUp(self._moved(frame))
            case "heartbeat":
                # During a snapshot a heartbeat only says that the feed is there.
                return None if self._resume is None else Passed(self._moved(frame))
        if self._resume is not None:
            self._resume = frame["position"]
        return Joined(self.url, self._resume)

    def _snapshot(self, frame: dict[str, Any]) -> Snapshot:
        self._tries = 0
        if not frame["more"]:
            self._resume = frame["position"]
        orders = (order for order in frame["orders"] if self._held.raises(order["order_id"], order["version"]))
        return Snapshot(tuple(orders), self._resume)

    def _reset(self, frame: dict[str, Any]) -> Taken:
        self._held = Held(self._held.most)
        self._resume = None if self._wanted.snapshot else frame["position"]
        return Taken(Reset(frame["reason"], self._resume), End(f"the feed begins anew ({frame['reason']})", Then.COME_BACK))

    def _moved(self, frame: dict[str, Any]) -> str:
        self._tries = 0
        position = str(frame["position"])
        self._resume = position
        return position


def _frame(message: str | bytes) -> dict[str, Any]:
    try:
        frame = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return frame if isinstance(frame, dict) else {}
