"""Follows the feed for a person who watches: shows what comes, tells what happens to the connection."""

from collections.abc import Callable
from typing import Any

from event_schemas.feed import FeedCode
from notifier.client import Event, FeedClient, FeedStopped, Item, Joined, Lost, Reset, Wanted

_NOBODY_MENDS_IT_NOW = {FeedCode.LOG_BROKEN, FeedCode.NEWER_SCHEMA}
"""A service waits for an operator; a person at a terminal wants to know."""


class FeedUnavailable(Exception):
    """The feed is not there, or will not serve this; the text says why."""


class FeedRefused(Exception):
    """The feed does not understand what was asked for; the text names the field."""


class Follower:
    """Hands every event that matches to `show`, once; tells `say` what happens to the connection."""

    def __init__(
        self, url: str, wanted: dict[str, str], start: str, *, show: Callable[[dict[str, Any], str], None], say: Callable[[str], None]
    ) -> None:
        self._url, self._wanted, self._show, self._say = url, Wanted(wanted, start), show, say
        self._joined_once = False

    async def follow(self) -> None:
        """Never returns. Raises FeedUnavailable when the feed is not there at first or gives up on us, FeedRefused for a wrong request."""
        try:
            async with FeedClient(self._url, wanted=self._wanted) as feed:
                async for item in feed:
                    self._take(item)
        except FeedStopped as error:
            if error.code == FeedCode.VALIDATION_FAILED:
                raise FeedRefused(str(error)) from error
            raise FeedUnavailable(f"{self._url}: {error}") from error

    def _take(self, item: Item) -> None:
        match item:
            case Event(event, position):
                self._show(event, position)
            case Joined():
                self._say("connected again" if self._joined_once else f"following {self._url}; Ctrl-C ends")
                self._joined_once = True
            case Reset(reason):
                self._say(f"the log is another one than before ({reason}): starting anew")
            case Lost(detail, code=code) if code in _NOBODY_MENDS_IT_NOW:
                raise FeedUnavailable(f"the feed gave up: {detail}")
            case Lost() if not self._joined_once:
                raise FeedUnavailable(f"no feed answers at {self._url}: start the stack with `./orders up`, or name the feed with --url")
            case Lost():
                self._say("connection lost, trying again")
