"""The least that a feed could cost: a process that writes a ready frame to every socket (`floor_feed`), and clients on those sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tools.bench.feed_load.clients import FeedClients
from tools.bench.floors.feed import HEAD
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers


class BareFeed:
    """It runs, and its clients are connected."""

    def __init__(self, process: BenchProcess, clients: FeedClients, orders: socket.socket) -> None:
        self.process, self.clients = process, clients
        self._orders = orders

    def write(self, frame: bytes, *, events: int = 1) -> None:
        """Have the frame written to every client, so many times."""
        self._orders.sendall(HEAD.pack(len(self.clients.clients), events, len(frame)) + frame)


@asynccontextmanager
async def bare_feed(servers: Servers, clients: int) -> AsyncIterator[BareFeed]:
    """Start it and connect so many clients. Raises OSError, TimeoutError."""
    async with servers.process("tools.bench.floors.feed") as process:
        connected = FeedClients(process.http_port, [b"here"] * clients, websocket=False)
        try:
            await asyncio.to_thread(connected.connect)
            with socket.create_connection(("127.0.0.1", process.feed_port)) as orders:
                yield BareFeed(process, connected, orders)
        finally:
            connected.close()
