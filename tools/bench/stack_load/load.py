"""An open-loop load on a running stack: orders are posted on a fixed schedule, whatever the answers take, so that waiting shows."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import orjson
import uvloop
from websockets.asyncio.client import ClientConnection, connect

DRAIN_S = 30.0
"""How long after the last POST frames are waited for."""
_BODY = {"currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}


@dataclass
class Measured:
    """Milliseconds from the moment an order was due to be posted, and what did not come.

    `accepted`: until 202; with a wait, until 201. `refused`: any other answer, with a wait also a 202.
    """

    accepted: list[float] = field(default_factory=list)
    framed: list[float] = field(default_factory=list)
    refused: int = 0
    missing: int = 0

    def __bool__(self) -> bool:
        return bool(self.accepted) and not (self.refused or self.missing)


def run_load(*, http: str, feed: str, rate: float, seconds: float, wait: bool = False) -> Measured:
    """Post `rate` orders a second for `seconds`. `wait`: each waits for its outcome, under an Idempotency-Key of its own.

    Raises OSError or aiohttp.ClientError when the stack is not there.
    """
    return uvloop.run(_Load(http, feed, wait=wait).run(rate, seconds))


class _Load:
    def __init__(self, http: str, feed: str, *, wait: bool) -> None:
        self._http, self._feed, self._wait = http, feed, wait
        self._due: dict[str, float] = {}
        self._early: dict[str, float] = {}
        self._measured = Measured()

    async def run(self, rate: float, seconds: float) -> Measured:
        async with self._following(), aiohttp.ClientSession() as session:
            begin, posts = time.perf_counter(), []
            for number in range(int(rate * seconds)):
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                posts.append(asyncio.create_task(self._post(session, number, due)))
            await asyncio.gather(*posts)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    while self._due:  # noqa: ASYNC110 - the frames empty it
                        await asyncio.sleep(0.01)
        self._measured.missing = len(self._due)
        return self._measured

    async def _post(self, session: aiohttp.ClientSession, number: int, due: float) -> None:
        # With a key of the client's a repeat has to be looked for: the wait as it costs most.
        headers = {"Prefer": "wait=30", "Idempotency-Key": str(uuid4())} if self._wait else {}
        order = {"customer_id": f"bench-{number % 100}", **_BODY}
        async with session.post(f"{self._http}/orders", json=order, headers=headers) as answer:
            body = await answer.json()
            now = time.perf_counter()
        if answer.status != (201 if self._wait else 202):
            self._measured.refused += 1
            return
        self._measured.accepted.append((now - due) * 1000)
        framed = self._early.pop(body["command_id"], None)
        if framed is None:
            self._due[body["command_id"]] = due
        else:  # the frame overtook the answer
            self._measured.framed.append((framed - due) * 1000)

    @contextlib.asynccontextmanager
    async def _following(self) -> AsyncIterator[None]:
        async with connect(self._feed, subprotocols=["orders.v1.json"]) as feed:  # type: ignore[list-item] # a NewType of str
            await feed.send(orjson.dumps({"type": "subscribe", "filter": {}, "from": "latest"}).decode())
            while orjson.loads(await feed.recv())["type"] != "caught_up":
                pass
            following = asyncio.create_task(self._follow(feed))
            try:
                yield
            finally:
                following.cancel()

    async def _follow(self, feed: ClientConnection) -> None:
        async for text in feed:
            now = time.perf_counter()
            frame = orjson.loads(text)
            if frame["type"] == "event":
                command_id = frame["event"]["command_id"]
                due = self._due.pop(command_id, None)
                if due is None:
                    self._early[command_id] = now
                else:
                    self._measured.framed.append((now - due) * 1000)
