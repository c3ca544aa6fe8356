"""The gateway and the feed as a submission needs them.

An order is sent until it is answered: its Idempotency-Key makes an ambiguous answer harmless. Records are followed through lost
connections.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from notifier.client import CaughtUp, Event, FeedClient, FeedStopped, Item, Joined, Lost, Passed, Reset
from order_service.commands.submit.lines import Order
from order_service.commands.submit.outcomes import Outcomes

_AMBIGUOUS = frozenset({429, 502, 503, 504})
_AWAY_S = 60.0
"""How long the gateway may give no useful answer to any request, or the feed be away, before a submission ends."""
_REQUEST_S = 40.0


class GatewayLost(Exception):
    """The gateway has not answered for a minute."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway finally said."""

    status: int
    body: dict[str, Any]
    location: str | None


class OrderClient:
    """Sends to one gateway over connections that are kept open. Use as an async context manager."""

    def __init__(self, url: str, connections: int) -> None:
        self._url, self._connections = url.rstrip("/"), connections
        self._last_answer = time.monotonic()

    async def __aenter__(self) -> "OrderClient":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=_REQUEST_S),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, order: Order) -> Answer:
        """Place the order. Raises GatewayLost when no request got a useful answer for 60 s."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": order.key}
        return await self._asked("POST", "/orders", order.body, headers)

    async def get(self, path: str) -> Answer:
        """Read a path such as a 202's Location. Raises GatewayLost, see `post`."""
        return await self._asked("GET", path, None, {})

    async def _asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        pause_s = 0.1
        while True:
            problem, wait_s = await self._once(method, path, body, headers)
            if isinstance(problem, Answer):
                return problem
            if time.monotonic() - self._last_answer > _AWAY_S:
                raise GatewayLost(f"{self._url} gives no useful answer ({problem}): is the stack up? `./orders status`")
            # Not all requests try again at the same moment: the others wait, too.
            await asyncio.sleep(wait_s or pause_s * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
            pause_s = min(pause_s * 2, 5.0)

    async def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[Answer | str, float | None]:
        """The answer; or why there is none, with the seconds that the gateway asked for."""
        try:
            async with self._session.request(method, self._url + path, data=body, headers=headers, allow_redirects=False) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{type(error).__name__} {error}", None
        if response.status in _AMBIGUOUS:
            after = response.headers.get("Retry-After", "")
            return f"status {response.status}", float(after) if after.isdigit() else None
        self._last_answer = time.monotonic()
        return Answer(response.status, _object(content), response.headers.get("Location")), None


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


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
                # Records of the sent commands may be lost with the old log, so their outcomes can't be told any more.
                raise FeedLost(f"the feed ended the subscription: {reason}")
            case Lost(detail):
                self._lost(detail)

    def _lost(self, detail: str) -> None:
        self._away_since = self._away_since or self._now()
        if not self._subscribed.is_set() or self._now() - self._away_since >= _AWAY_S:
            raise FeedLost(f"the feed does not answer at {self._url} ({detail}): is the stack up? `./orders status`")
