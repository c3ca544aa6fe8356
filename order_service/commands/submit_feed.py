"""The feed, as far as a submission needs it: every record from now on, through lost connections."""

import asyncio
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from order_service.commands.submit_outcomes import Outcomes

_ANSWER_S = 10.0
_AWAY_S = 60.0
"""How long the feed may be away before a submission gives up."""


class FeedLost(Exception):
    """The feed does not answer, or ended the subscription; the text says what it said."""


async def follow(url: str, outcomes: Outcomes, subscribed: asyncio.Event) -> None:
    """Hand every record from now on to `outcomes`; `subscribed` is set before the first. Never returns.

    Raises FeedLost when the feed is not there at first, or is away for 60 s later on.
    """
    away_since: float | None = None
    loop = asyncio.get_running_loop()
    while True:
        try:
            async with asyncio.timeout(_ANSWER_S):
                connection = await connect(url, subprotocols=["orders.v1.json"], max_size=None, compression=None)  # type: ignore[list-item]
            async with connection:
                await _subscribe(connection, outcomes, subscribed)
                away_since = None
                async for frame in connection:
                    _take(orjson.loads(frame), outcomes)
            raise ConnectionResetError("the feed closed the connection")
        except (OSError, TimeoutError, WebSocketException) as error:
            away_since = away_since or loop.time()
            if not subscribed.is_set() or loop.time() - away_since > _AWAY_S:
                raise FeedLost(
                    f"the feed does not answer at {url} ({error or type(error).__name__}): is the stack up? `./orders status`"
                ) from error
            await asyncio.sleep(0.5)


async def _subscribe(connection: ClientConnection, outcomes: Outcomes, subscribed: asyncio.Event) -> None:
    # After a lost connection the feed goes on behind the last record seen, so none is missed and none comes twice.
    start = outcomes.position or "latest"
    await connection.send(orjson.dumps({"type": "subscribe", "filter": {}, "from": start}).decode())
    async with asyncio.timeout(_ANSWER_S):
        while (frame := orjson.loads(await connection.recv()))["type"] != "subscribed":
            _take(frame, outcomes)
    if outcomes.position is None:
        outcomes.reached(frame["position"])
    subscribed.set()


def _take(frame: dict[str, Any], outcomes: Outcomes) -> None:
    match frame["type"]:
        case "event":
            event = frame["event"]
            rejected_as = event["data"]["code"] if event["type"] == "CommandRejected" else None
            outcomes.seen(event["command_id"], rejected_as, frame["position"])
        case "heartbeat" | "caught_up":
            outcomes.reached(frame["position"])
        case "reset":
            raise ConnectionResetError(f"the feed ended the subscription: {frame['reason']}")
        case "error":
            raise FeedLost(f"the feed refuses: {frame['detail']}")
        case _:
            return
