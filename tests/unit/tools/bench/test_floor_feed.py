"""The floor of the feed begins when its clients are there, not when it is told to: else an event would go to nobody."""

import asyncio
from contextlib import suppress

from infra.process.settings import Settings
from tools.bench.floors.feed import HEAD, _run
from tools.local_stack.ports import free_port

FRAME = b"a ready frame"


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, as soon as somebody listens."""
    async with asyncio.timeout(10):
        while True:
            with suppress(ConnectionRefusedError):
                return await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.01)


async def test_an_order_that_comes_before_the_clients_reaches_all_of_them() -> None:
    orders_port = free_port()
    clients_port = free_port({orders_port})
    floor = asyncio.create_task(_run(Settings(ORDERS_FEED_PORT=orders_port, ORDERS_HTTP_PORT=clients_port)))  # type: ignore[arg-type]
    _, orders = await connected(orders_port)
    looking = (await connected(clients_port))[1]  # it says nothing, so it is none
    orders.write(HEAD.pack(3, 2, len(FRAME)) + FRAME)
    await orders.drain()
    clients = [await connected(clients_port) for _ in range(3)]
    for _, writer in clients:
        writer.write(b"here")
    async with asyncio.timeout(10):
        for reader, _ in clients:
            assert await reader.readexactly(2 * len(FRAME)) == 2 * FRAME
    for writer in (orders, looking, *(writer for _, writer in clients)):
        writer.close()
    floor.cancel()
    with suppress(asyncio.CancelledError):
        await floor
