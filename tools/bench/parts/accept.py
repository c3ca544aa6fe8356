"""accept: what a POST that ends in 202 costs the gateway, beside a bare FastAPI that only validates the body."""

import asyncio
import time
from collections.abc import Iterator

from event_schemas.topics import COMMANDS, EVENTS
from tools.bench.measuring import Metric, Sample
from tools.bench.orders import order_bodies
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers
from tools.bench.stack_load.http_client import HttpClient, post

_AT_ONCE = 32
"""Requests under way at any time."""
_BODIES = 500
_WARM = 200


class NotAccepted(Exception):
    """A request was not answered as it should be; the text says how."""


class Accept:
    """`requests` POSTs to one gateway process, 32 at a time, each answered when Kafka has the command."""

    name = "accept"
    what = "POST /orders answered 202 by one gateway process, 32 at a time"
    floor_is = "the same route on bare FastAPI and uvicorn, validating the same body into the same model, without Kafka"
    metrics = (
        Metric("CPU ms a request", "ms", more_is_better=False, wanted=1.7),
        Metric("requests/s", "requests/s"),
    )

    def __init__(self, servers: Servers, *, requests: int) -> None:
        self._servers, self._requests = servers, requests
        self._gateway = servers.process("gateway")
        self._floor = servers.process("tools.bench.floors.accept")
        self._messages = [post("/orders", body) for body in order_bodies(_BODIES)]

    async def enter(self) -> None:
        """Start the gateway and the floor; the read models are made by a projections worker, as the gateway expects them."""
        await self._servers.new_topics(COMMANDS, EVENTS)
        async with self._servers.process("projections"):
            self._gateway.start()
            self._floor.start()
            await self._gateway.running()
        await self._floor.running()
        for process in (self._gateway, self._floor):
            await self._load(process, _WARM)

    async def measured(self) -> Sample:
        """POST to the gateway."""
        return await self._load(self._gateway, self._requests)

    async def floor(self) -> Sample:
        """POST to bare FastAPI."""
        return await self._load(self._floor, self._requests)

    async def leave(self) -> None:
        """End the gateway and the floor."""
        self._gateway.stop()
        self._floor.stop()

    async def _load(self, process: BenchProcess, requests: int) -> Sample:
        client = HttpClient(process.http_port, most=_AT_ONCE)
        left = iter(range(requests))
        began, used = time.perf_counter(), process.cpu_s()
        try:
            await asyncio.gather(*(self._post_on(client, left) for _ in range(_AT_ONCE)))
            seconds, cpu = time.perf_counter() - began, process.cpu_s() - used
        finally:
            client.close()
        return {"CPU ms a request": 1e3 * cpu / requests, "requests/s": requests / seconds, "memory MiB": process.memory_mib()}

    async def _post_on(self, client: HttpClient, left: Iterator[int]) -> None:
        for number in left:
            answer = await client.request(self._messages[number % _BODIES])
            if answer.status != 202:
                raise NotAccepted(f"answered {answer.status}: {answer.body[:300].decode(errors='replace')}")
