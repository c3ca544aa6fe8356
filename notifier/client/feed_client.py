"""A client of the live feed for services: through lost connections and from instance to instance, each event once and none missing.

    async with FeedClient("ws://127.0.0.1:8001/feed", wanted=Wanted({"customer_id": "ada"}, start=kept)) as feed:
        async for item in feed:
            match item:
                case Event(event, position):
                    ...                     # deal with it, then keep `position`
                case Reset():
                    ...                     # forget everything: it comes anew
                case _:
                    ...                     # what else there is: notifier/client/items.py

How to write against it: docs/feed-clients.md.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from event_schemas.feed_codes import SUBPROTOCOL
from notifier.client.endings import End, Then, closed, refused, unreachable
from notifier.client.items import MOST, Held, Item
from notifier.client.state import Following, Wanted

_ANSWER_S = 10.0
_LARGEST_FRAME = 16 * 1024 * 1024
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class FeedClient:
    """Iterate over it to get items. The iteration ends only by an exception, or when the caller leaves it.

    `urls`: the feed, or several instances of it. `silence_s`: a connection on which nothing comes for so long is given up; three
    of the feed's heartbeats by default. `hold`: how many orders, and how many rejections, are remembered so that none is handed out
    twice. Nothing is read ahead: while the caller works, the feed waits. A long wait loses nothing.

    Raises FeedStopped when coming back would not help: the request is wrong, or the feed does not want this client.
    """

    def __init__(self, urls: str | Sequence[str], *, wanted: Wanted | None = None, silence_s: float = 45.0, hold: int = MOST) -> None:
        places = [urls] if isinstance(urls, str) else list(urls)
        if not places:
            raise ValueError("urls: name the feed at least once")
        self._following = Following(wanted or Wanted(), places, chance=random.random, held=Held(hold))
        self._silence_s = silence_s
        self._items = self._follow()

    @property
    def position(self) -> str | None:
        """The position of the last item: where a client that has dealt with the item goes on. None while a snapshot is not complete."""
        return self._following.position

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        await self._items.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        return await anext(self._items)

    async def _follow(self) -> AsyncGenerator[Item, None]:
        while True:
            end: End | None = None
            try:
                async with await self._connected() as connection:
                    await connection.send(self._following.subscribe())
                    while end is None:
                        item, end = self._following.taken(await self._next(connection))
                        if item is not None:
                            yield item
            except (OSError, TimeoutError, WebSocketException) as error:
                end = end or _end_of(error)
            lost = self._following.lost(end)
            yield lost
            await asyncio.sleep(lost.again_in_s)

    async def _connected(self) -> ClientConnection:
        url = self._following.url
        async with asyncio.timeout(_ANSWER_S):
            return await connect(
                url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                max_size=_LARGEST_FRAME,
                compression=None,
                proxy=None if urlsplit(url).hostname in _LOOPBACK else True,
                # The library would see no pong while the caller lets frames wait; the feed's heartbeats tell that it is there.
                ping_interval=None,
                # With frames unread the library does not see the server's goodbye, and would wait for it this long.
                close_timeout=0.5,
            )

    async def _next(self, connection: ClientConnection) -> str | bytes:
        try:
            async with asyncio.timeout(self._silence_s):
                return await connection.recv()
        except TimeoutError as error:
            raise TimeoutError(f"nothing came for {self._silence_s:g} s") from error


def _end_of(error: Exception) -> End:
    match error:
        case InvalidURI():
            return End(str(error), Then.STOP)
        case InvalidStatus(response=response):
            return refused(response.status_code, response.headers.get("Retry-After"), (response.body or b"").decode(errors="replace"))
        case ConnectionClosed(rcvd=close):
            return closed(1006, "") if close is None else closed(close.code, close.reason)
        case _:
            return unreachable(str(error) or type(error).__name__)
