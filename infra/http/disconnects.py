"""Noticing that the client of a request has closed its connection, so that no work goes on for a client that has left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive


@asynccontextmanager
async def watching(receive: Receive) -> "AsyncIterator[asyncio.Future[None]]":
    """A future that is done once the client of a request, whose body was read, has gone. Leaving the block leaves nothing behind."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(gone())
    try:
        yield task
    finally:
        task.cancel()
