"""Orders on a fixed schedule, whatever the answers take, so that waiting shows: every time counts from when a POST was due."""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect

from tools.bench.orders import order_bodies
from tools.bench.stack_load.http_client import Answer, HttpClient, post

DRAIN_S = 20.0
"""How long after the last POST frames are waited for."""
_SUBSCRIBE = '{"type":"subscribe","filter":{},"from":"latest"}'
_COMMAND_ID = re.compile(rb'"command_id":"([0-9a-f-]{36})"')
_EVENT = b'{"type":"event"'
_BODIES = 500
_CONNECTIONS = 1_000


@dataclass
class OpenLoop:
    """Milliseconds from when a POST was due until its 202, and until its frame; and the orders that went otherwise.

    `refused`: other answers, by status; 0: none came. `missing`: frames that did not come. `late_ms`: the most that the load
    itself was behind its schedule.
    """

    answered: list[float] = field(default_factory=list)
    framed: list[float] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    missing: int = 0
    late_ms: float = 0.0


async def run_open_loop(*, http_port: int, feed_port: int, rate: float, seconds: float) -> OpenLoop:
    """Post `rate` orders a second for `seconds`, and wait for their frames. Raises OSError when the services are not there."""
    return await _Load(http_port, rate, seconds).run(f"ws://127.0.0.1:{feed_port}/feed")


class _Load:
    def __init__(self, http_port: int, rate: float, seconds: float) -> None:
        self._client = HttpClient(http_port, most=_CONNECTIONS)
        self._rate, self._count = rate, int(rate * seconds)
        self._messages = [post("/orders", body) for body in order_bodies(_BODIES)]
        self._due: dict[bytes, float] = {}
        self._early: dict[bytes, float] = {}
        self._said = OpenLoop()

    async def run(self, feed: str) -> OpenLoop:
        async with _following(feed, self._frame), asyncio.TaskGroup() as posts:
            begin = time.perf_counter()
            for number in range(self._count):
                due = begin + number / self._rate
                ahead = due - time.perf_counter()
                if ahead > 0:
                    await asyncio.sleep(ahead)
                self._said.late_ms = max(self._said.late_ms, 1e3 * (time.perf_counter() - due))
                posts.create_task(self._post(number, due))
            await self._drained()
        self._client.close()
        self._said.missing = len(self._due)
        return self._said

    async def _drained(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._due or len(self._said.answered) + sum(self._said.refused.values()) < self._count:  # noqa: ASYNC110 - others do
                    await asyncio.sleep(0.01)

    async def _post(self, number: int, due: float) -> None:
        try:
            answer = await self._client.request(self._messages[number % _BODIES])
        except OSError:  # no connection
            answer = Answer(0, b"")
        now = time.perf_counter()
        found = _COMMAND_ID.search(answer.body)
        if answer.status != 202 or found is None:
            self._said.refused[answer.status] += 1
            return
        self._said.answered.append(1e3 * (now - due))
        framed = self._early.pop(found[1], None)
        if framed is None:
            self._due[found[1]] = due
        else:  # the frame overtook the answer
            self._said.framed.append(1e3 * (framed - due))

    def _frame(self, frame: bytes) -> None:
        found = _COMMAND_ID.search(frame) if frame.startswith(_EVENT) else None
        if found is None:
            return
        now, due = time.perf_counter(), self._due.pop(found[1], None)
        if due is None:
            self._early[found[1]] = now
        else:
            self._said.framed.append(1e3 * (now - due))


@contextlib.asynccontextmanager
async def _following(feed: str, frame: Callable[[bytes], None]) -> AsyncIterator[None]:
    """Hand every frame from now on to `frame`, while the block runs."""
    async with connect(feed, subprotocols=["orders.v1.json"], compression=None) as connection:  # type: ignore[list-item] # a NewType of str
        await connection.send(_SUBSCRIBE)
        while b'"caught_up"' not in await connection.recv(decode=False):
            pass
        following = asyncio.create_task(_follow(connection, frame))
        try:
            yield
        finally:
            following.cancel()


async def _follow(connection: ClientConnection, frame: Callable[[bytes], None]) -> None:
    while True:
        frame(await connection.recv(decode=False))
