"""The client: sends at a bounded rate. An ambiguous answer makes it repeat the request, under the same key, until it is answered."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

from tools.faults.load.workload import Attempt, History, Sent, Workload

_REQUEST_S = 12.0
"""Longest wait for one answer."""
_IN_FLIGHT = 150
NOT_SENT = aiohttp.ClientConnectorError.__name__
"""The word for an attempt that no gateway received."""
_LOST_ANSWERS = (aiohttp.ClientError, TimeoutError, OSError)


class Client:
    """Sends intents to any of the gateways, and keeps the history."""

    def __init__(self, gateways: Sequence[str], *, seed: int, rate: float, history: History) -> None:
        self.history = history
        self._gateways = list(gateways)
        self._rate = rate
        self._workload = Workload(seed)
        self._random = random.Random(f"client {seed}")  # noqa: S311 reproducible on purpose
        self._free = asyncio.Semaphore(_IN_FLIGHT)
        self._open: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def run(self, seconds: float, *, patience_s: float) -> None:
        """Send for `seconds`, then wait `patience_s` at most until everything is answered; requests without an answer then are given up."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=_REQUEST_S)) as session:
            try:
                await self._send(session, seconds)
                if self._open:
                    await asyncio.wait(self._open, timeout=patience_s)
            finally:
                await self._give_up()
        if self._failure is not None:
            raise self._failure

    async def _send(self, session: aiohttp.ClientSession, seconds: float) -> None:
        begin = time.monotonic()
        due = begin
        while due - begin < seconds and self._failure is None:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._free.acquire()
            task = asyncio.create_task(self._until_answered(session, self.history.begin(self._workload.next())))
            self._open.add(task)
            task.add_done_callback(self._done)
            # When behind time (all slots were taken), go on from now, at the same rate.
            due = max(due + 1 / self._rate, time.monotonic() - 1.0)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error

    async def _give_up(self) -> None:
        left = list(self._open)
        for task in left:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*left, return_exceptions=True)

    async def _until_answered(self, session: aiohttp.ClientSession, sent: Sent) -> None:
        pause_s = 0.2
        try:
            while not await self._once(session, sent):
                if sent.key is None and sent.attempts[-1].said != NOT_SENT:
                    return  # it is unknown whether the command was taken, and sending it again would be another command
                await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.5))
                pause_s = min(2 * pause_s, 3.0)
        finally:
            self.history.over(sent)

    async def _once(self, session: aiohttp.ClientSession, sent: Sent) -> bool:
        """Send the request once; returns whether that settled it."""
        gateway, begun = self._random.choice(self._gateways), time.time()
        try:
            async with session.post(gateway + sent.intent.path, json=sent.intent.body, headers=_headers(sent)) as response:
                status, content = response.status, await response.read()
        except _LOST_ANSWERS as error:
            sent.attempts.append(Attempt(gateway, begun, time.time(), type(error).__name__))
            return False
        sent.attempts.append(Attempt(gateway, begun, time.time(), str(status)))
        return self._settles(sent, status, content)

    def _settles(self, sent: Sent, status: int, content: bytes) -> bool:
        try:
            body: dict[str, Any] = orjson.loads(content)
        except orjson.JSONDecodeError:
            body = {}
        if status >= 500 or status == 429:
            # A client that sent no key is given one, by which the retry is the same command.
            sent.key = sent.key or body.get("idempotency_key")
            return False
        if "command_id" not in body:
            sent.refused = f"{status} {content[:300].decode(errors='replace')}"
            return True
        sent.command_id, sent.order_id, sent.version = body["command_id"], body["order_id"], body.get("version")
        sent.ending = "rejected" if status >= 400 else "pending" if status == 202 else "accepted"
        sent.code = body.get("code")
        if sent.intent.kind == "create":
            self._workload.learned(body["order_id"])
        return True


def _headers(sent: Sent) -> dict[str, str]:
    headers = {}
    if sent.key is not None:
        headers["Idempotency-Key"] = sent.key
    if sent.intent.if_match is not None:
        headers["If-Match"] = sent.intent.if_match
    if sent.intent.wait_s is not None:
        headers["Prefer"] = f"wait={sent.intent.wait_s}"
    return headers
