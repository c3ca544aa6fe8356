"""The gateway's protocol on a port of its own with a small application behind it, and clients that write bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
import uvicorn

from gateway.heads import HeadLimits
from gateway.protocol import GatewayProtocol
from tests.support.prompt_server import PromptServer

DEADLINE_S = 20.0


@dataclass
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(orjson.loads(self.body)["code"])


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        """Each piece by itself."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def answer(self) -> Answer:
        """The next one; raises IncompleteReadError when the server ends the connection."""
        async with asyncio.timeout(DEADLINE_S):
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """What comes until the server ends the connection."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._reader.read()

    def close(self) -> None:
        """Leave."""
        self._writer.close()


@dataclass
class RawSite:
    """The server. `/hold` is answered when `release` is set; `/early` without its body being read; every other path at once."""

    port: int
    release: asyncio.Event = field(default_factory=asyncio.Event)
    served: list[str] = field(default_factory=list)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    server: PromptServer | None = None
    clients: list[RawClient] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.served.append(scope["path"])
        body, more = b"", scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/hold":
            await self.release.wait()
        names = [name.decode() for name, _ in scope["headers"]]
        told = orjson.dumps({"path": scope["path"], "body": len(body), "headers": names})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(told)).encode())]})
        await send({"type": "http.response.body", "body": told})

    async def client(self) -> RawClient:
        """A new connection."""
        made = RawClient(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(made)
        return made


@asynccontextmanager
async def serving(given: HeadLimits) -> AsyncIterator[RawSite]:
    """A site whose heads have these limits."""

    class Limited(GatewayProtocol):
        limits: ClassVar[HeadLimits] = given

    with socket.create_server(("127.0.0.1", 0)) as listener:
        site = RawSite(int(listener.getsockname()[1]))
        config = uvicorn.Config(site, http=Limited, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        site.server = PromptServer(config)
        async with site.server.serving(listener):
            try:
                yield site
            finally:
                site.release.set()
                for client in site.clients:
                    client.close()
                await site.server.nobody_is_left()
