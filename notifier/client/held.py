"""The client's own rule of the feed: an event whose version is held, or a rejection whose id is held, was handed out before. Pure."""

from collections import OrderedDict
from typing import Any

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
