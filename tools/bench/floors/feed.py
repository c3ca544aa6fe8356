"""The floor of `feed`: writes a ready frame to every socket, as often as it is told to.

Clients connect to the HTTP port, say something and are never greeted. On the feed's port comes the order: for how many clients, how many
events, how long the frame is, and the frame. The order is carried out as soon as so many clients are there.
"""

import asyncio
import struct
from typing import cast

import uvloop

from infra.process.settings import Settings

HEAD = struct.Struct("!III")
"""What stands before the frame: how many clients, how many events, how many bytes."""
_PAUSE_ABOVE = 1024 * 1024
"""Bytes that may wait for one socket before the loop lets them go."""


class _Client(asyncio.Protocol):
    def __init__(self, transports: list[asyncio.WriteTransport]) -> None:
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - asyncio's signature
        # A probe that only checks whether this port answers says nothing, and is no client.
        self._transports.append(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        # uvloop raises when a closed transport is written to.
        if self._transport in self._transports:
            self._transports.remove(self._transport)


async def _write_all(transports: list[asyncio.WriteTransport], events: int, frame: bytes) -> None:
    for _ in range(events):
        for transport in transports:  # no await: none is lost meanwhile
            transport.write(frame)
        await asyncio.sleep(0)
        while any(transport.get_write_buffer_size() > _PAUSE_ABOVE for transport in transports[:1]):  # noqa: ASYNC110 - as it drains
            await asyncio.sleep(0)


async def _run(settings: Settings) -> None:
    transports: list[asyncio.WriteTransport] = []

    async def obey(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while head := await reader.read(HEAD.size):
            clients, events, length = HEAD.unpack(head)
            frame = await reader.readexactly(length)
            while len(transports) < clients:  # noqa: ASYNC110 - a connection is made before it is accepted
                await asyncio.sleep(0.001)
            await _write_all(transports, events, frame)

    loop = asyncio.get_running_loop()
    await asyncio.start_server(obey, settings.bind, settings.feed_port)
    clients = await loop.create_server(lambda: _Client(transports), settings.bind, settings.http_port, backlog=2048)
    await clients.serve_forever()


def main() -> None:
    """Serve until ended."""
    uvloop.run(_run(Settings()))


if __name__ == "__main__":
    main()
