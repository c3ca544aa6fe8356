"""Clients as they are: they send a command several times, through whichever gateway, and go on until they know its outcome."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

LINES = [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]
_AGAIN = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Told:
    """What a client was finally told of a command. `status` is that of the POST which brought the outcome, 0 when a GET did."""

    status: int
    command_id: str
    order_id: str
    outcome: str
    version: int
    position: str


@dataclass
class Client:
    """One session, any number of gateways. `server_errors` counts answers 500: a client retries them, a test does not accept them."""

    session: aiohttp.ClientSession
    gateways: list[str]
    server_errors: int = 0
    pending: int = 0

    async def told(self, key: str, body: Mapping[str, Any], *, prefer: str | None = "wait=30", path: str = "/orders") -> Told:
        """Send the command until its outcome is known."""
        headers = {"Idempotency-Key": key, **({"Prefer": prefer} if prefer else {})}
        status, answer, location = await self.answered("POST", path, headers, body)
        if status != 202:
            return _told(status, answer)
        self.pending += 1
        while answer.get("status", "pending") == "pending":
            _, answer, _ = await self.answered("GET", location, {"Prefer": "wait=30"})
        return _told(0, answer)

    async def answered(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any], str]:
        """Ask until someone answers anything but "try again"."""
        for _ in range(600):
            try:
                url = random.choice(self.gateways) + path
                async with self.session.request(method, url, json=body, headers=headers) as answer:
                    content = await answer.json(content_type=None)
                    if answer.status not in _AGAIN:
                        return answer.status, content, answer.headers.get("Location", "")
                    self.server_errors += answer.status == 500
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(0.2)
        raise AssertionError(f"nobody answers {method} {path}")


def _told(status: int, answer: Mapping[str, Any]) -> Told:
    outcome = answer.get("code") or answer.get("status")
    return Told(status, answer["command_id"], answer["order_id"], str(outcome), answer["version"], answer["position"])


def new_session(connections: int) -> aiohttp.ClientSession:
    """A session for many requests at once."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections), timeout=aiohttp.ClientTimeout(total=60))


async def at_once(works: Iterable[Callable[[], Awaitable[Any]]], limit: int) -> list[Any]:
    """Do all of it, `limit` at a time; the results in order."""
    waiting = list(enumerate(works))[::-1]
    results: dict[int, Any] = {}

    async def worker() -> None:
        while waiting:
            number, work = waiting.pop()
            results[number] = await work()

    await asyncio.gather(*(worker() for _ in range(limit)))
    return [results[number] for number in sorted(results)]
