"""A uvicorn server that starts and stops at once: uvicorn's own asks ten times a second whether it is to stop, and sleeps as it does."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

_GONE_S = 0.05
"""How long connections may take to go whose clients have left."""


class PromptServer(uvicorn.Server):
    """One that is told to stop rather than asked, and sleeps only while somebody is connected. Its answers have the date of its start."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._begun, self._told = asyncio.Event(), asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self._begun.set()
        await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        await self.lifespan.shutdown()

    def stop(self) -> None:
        """Begin to stop: no new connection, and those that are idle end."""
        self.should_exit = True
        self._told.set()

    async def nobody_is_left(self) -> None:
        """Wait a little for clients that have hung up."""
        until = asyncio.get_running_loop().time() + _GONE_S
        while self.server_state.connections and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.001)

    @asynccontextmanager
    async def serving(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve within the block, and have stopped behind it."""
        serving = asyncio.create_task(self.serve([listener]))
        begun = asyncio.create_task(self._begun.wait())
        await asyncio.wait({serving, begun}, return_when=asyncio.FIRST_COMPLETED)
        assert begun.done(), serving.exception()
        try:
            yield
        finally:
            self.stop()
            await serving
