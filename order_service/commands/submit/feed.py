"""The feed, as far as a submission needs it: every record from now on, through lost connections."""

import asyncio

from notifier.client import CaughtUp, Event, FeedClient, FeedStopped, Item, Joined, Lost, Passed, Reset
from order_service.commands.submit.outcomes import Outcomes

_AWAY_S = 60.0
"""How long the feed may be away before a submission gives up."""


class FeedLost(Exception):
    """The feed does not answer, or ended the subscription; the text says what it said."""


async def follow(url: str, outcomes: Outcomes, subscribed: asyncio.Event) -> None:
    """Hand every record from now on to `outcomes`; `subscribed` is set before the first. Never returns.

    Raises FeedLost when the feed is not there at first, is away for 60 s later on, or refuses.
    """
    following = _Following(url, outcomes, subscribed)
    try:
        async with FeedClient(url) as feed:
            async for item in feed:
                following.take(item)
    except FeedStopped as error:
        raise FeedLost(f"the feed refuses: {error}") from error


class _Following:
    def __init__(self, url: str, outcomes: Outcomes, subscribed: asyncio.Event) -> None:
        self._url, self._outcomes, self._subscribed = url, outcomes, subscribed
        self._now = asyncio.get_running_loop().time
        self._away_since: float | None = None

    def take(self, item: Item) -> None:
        match item:
            case Event(event, position):
                rejected_as = event["data"]["code"] if event["type"] == "CommandRejected" else None
                self._outcomes.seen(event["command_id"], rejected_as, position)
            case CaughtUp(position) | Passed(position):
                self._outcomes.reached(position)
            case Joined(position=position):
                if self._outcomes.position is None and position is not None:
                    self._outcomes.reached(position)
                self._away_since = None
                self._subscribed.set()
            case Reset(reason):
                # Records of the commands sent may have gone with the log: their outcomes can't be told any more.
                raise FeedLost(f"the feed ended the subscription: {reason}")
            case Lost(detail):
                self._lost(detail)

    def _lost(self, detail: str) -> None:
        self._away_since = self._away_since or self._now()
        if not self._subscribed.is_set() or self._now() - self._away_since >= _AWAY_S:
            raise FeedLost(f"the feed does not answer at {self._url} ({detail}): is the stack up? `./orders status`")
