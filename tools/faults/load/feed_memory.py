"""What a client of the feed holds, by the client's own rule: drop versions held, and rejections held. Pure."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any


@dataclass
class FeedMemory:
    """`start`: the first position that the feed confirmed. `orders`: per order the ids of the records held, in the order of coming.

    `broken`: what no feed may send, whatever a client drops.
    """

    start: str | None = None
    position: str | None = None
    orders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    repeats: int = 0
    connections: int = 0
    broken: list[str] = field(default_factory=list)
    _versions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _rejections: set[str] = field(default_factory=set)
    _seq: int = 0

    def begin(self) -> None:
        """A new subscription."""
        self.connections += 1
        self._seq = 0

    def take(self, frame: dict[str, Any]) -> None:
        """A frame came."""
        match frame["type"]:
            case "subscribed":
                self.start = self.start or frame["position"]
                self.position = frame["position"]
            case "event":
                self._event(frame)
            case "caught_up" | "heartbeat":
                self.position = frame["position"]
            case "reset":
                self.broken.append(f"reset ({frame['reason']}) although the log is the same")
                self.position = frame["position"]
            case _:
                self.broken.append(f"unexpected frame: {frame}"[:300])

    @property
    def held(self) -> int:
        """Records held."""
        return sum(map(len, self.orders.values()))

    def _event(self, frame: dict[str, Any]) -> None:
        self._seq += 1
        if frame["seq"] != self._seq:
            self.broken.append(f"seq {frame['seq']} came where {self._seq} was due, on connection {self.connections}")
            self._seq = frame["seq"]
        self.position = frame["position"]
        event = frame["event"]
        if self._holds(event):
            self.repeats += 1
            return
        self.orders[event["order_id"]].append(event["id"])

    def _holds(self, event: dict[str, Any]) -> bool:
        if event["type"] == "CommandRejected":
            known = event["id"] in self._rejections
            self._rejections.add(event["id"])
        else:
            known = event["version"] in self._versions[event["order_id"]]
            self._versions[event["order_id"]].add(event["version"])
        return known
