"""Follows the feed for a person who watches: through lost connections, from the last position on."""

import asyncio
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from event_schemas.feed import SUBPROTOCOL, FeedCode
from order_service.commands.tail_held import Held

_ANSWER_S = 10.0
_BACKOFF_S = (0.2, 5.0)
_TRY_AGAIN = {FeedCode.NOT_READY}


class FeedUnavailable(Exception):
    """The feed is not there, or will not serve this; the text says why."""


class FeedRefused(Exception):
    """The feed does not understand what was asked for; the text names the field."""


class Follower:
    """Hands every event that matches to `show`, once; tells `say` what happens to the connection."""

    def __init__(
        self, url: str, wanted: dict[str, str], start: str, *, show: Callable[[dict[str, Any]], None], say: Callable[[str], None]
    ) -> None:
        self._url, self._wanted, self._start, self._show, self._say = url, wanted, start, show, say
        self._held = Held()
        self._connected_once = False

    async def follow(self) -> None:
        """Never returns. Raises FeedUnavailable when the feed is not there at first or gives up on us, FeedRefused for a wrong request."""
        wait_s = _BACKOFF_S[0]
        while True:
            try:
                connection = await self._connect()
                async with connection:
                    wait_s = _BACKOFF_S[0]
                    await self._converse(connection)
            except (OSError, TimeoutError, WebSocketException) as error:
                self._judge(error)
            # Not all at once after a restart of the feed.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 no secret
            wait_s = min(2 * wait_s, _BACKOFF_S[1])

    async def _connect(self) -> ClientConnection:
        local = urlsplit(self._url).hostname in {"localhost", "127.0.0.1", "::1"}
        async with asyncio.timeout(_ANSWER_S):
            return await connect(
                self._url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                max_size=None,
                compression=None,
                proxy=None if local else True,
                # With frames unread the library does not see the server's goodbye, and would wait for it this long.
                close_timeout=0.5,
            )

    async def _converse(self, connection: ClientConnection) -> None:
        request = {"type": "subscribe", "filter": self._wanted, "from": self._start}
        await connection.send(orjson.dumps(request).decode())
        async for message in connection:
            if not await self._take(orjson.loads(message)):
                return

    async def _take(self, frame: dict[str, Any]) -> bool:
        """False: connect anew."""
        match frame["type"]:
            case "event":
                if self._held.is_new(frame["event"]):
                    self._show(frame)
            case "subscribed":
                self._say("connected again" if self._connected_once else f"following {self._url}; Ctrl-C ends")
                self._connected_once = True
            case "reset":
                self._say(f"the log is another one than before ({frame['reason']}): starting anew")
                self._held = Held()
                self._start = frame["position"]
                return False
            case "error":
                self._refused(frame)
                return False
        # Everything up to here was shown: this is where a new connection goes on.
        self._start = frame.get("position", self._start)
        return True

    def _refused(self, frame: dict[str, Any]) -> None:
        if frame["code"] == FeedCode.VALIDATION_FAILED:
            raise FeedRefused(frame["detail"])
        if frame["code"] not in _TRY_AGAIN:
            raise FeedUnavailable(f"the feed gave up: {frame['detail']}")

    def _judge(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus):
            said = (error.response.body or b"").decode(errors="replace").strip()
            raise FeedUnavailable(f"{self._url} refuses: {error.response.status_code} {said}") from error
        if not self._connected_once:
            raise FeedUnavailable(
                f"no feed answers at {self._url}: start the stack with `./orders up`, or name the feed with --url"
            ) from error
        code = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd else None
        if code is not None and 4000 <= code < 4100:
            raise FeedUnavailable(f"the feed ended the connection for good ({code})") from error
        self._say("connection lost, trying again")
