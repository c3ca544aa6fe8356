"""The client's own rule of the feed: an event whose version is held, or a rejection whose id is held, has been shown. Pure."""

from collections import OrderedDict
from typing import Any

_MOST = 100_000


class Held:
    """What was shown, as far back as a repeat can reach: the last 100,000 orders and rejections."""

    def __init__(self) -> None:
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._rejections: OrderedDict[str, None] = OrderedDict()

    def is_new(self, event: dict[str, Any]) -> bool:
        """Whether this event was not shown yet; from now on it is held."""
        if event["type"] == "CommandRejected":
            new = event["id"] not in self._rejections
            self._rejections[event["id"]] = None
            _trim(self._rejections, event["id"])
            return new
        order, version = event["order_id"], event["version"]
        if version <= self._versions.get(order, 0):
            return False
        self._versions[order] = version
        _trim(self._versions, order)
        return True


def _trim(held: "OrderedDict[str, Any]", used: str) -> None:
    held.move_to_end(used)
    while len(held) > _MOST:
        held.popitem(last=False)
