"""The bytes of a request, as far as anyone wants to hold them, and whose turn it is to have them looked at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from event_schemas.codes import Code
from infra.http.problems import Problem

MAX_BODY = 256 * 1024
"""Bytes. A body of 100 lines with all texts at full length fits."""


LARGE_BODY = 16 * 1024
"""Bytes. What is larger takes milliseconds to be parsed and validated."""


_REST = 3
"""Times as long as a large body took, the next one waits: together they have at most a quarter of the loop."""


class LargeBodies:
    """Lets large bodies be looked at one after the other with rests between, so that forty at once delay others by one of them."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._free_at = 0.0

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Enter when a body of `size` bytes may be looked at: a small one at once."""
        if size <= LARGE_BODY:
            yield
            return
        async with self._one:
            await asyncio.sleep(max(0.0, self._free_at - perf_counter()))
            began = perf_counter()
            try:
                yield
            finally:
                ended = perf_counter()
                self._free_at = ended + _REST * (ended - began)


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises Problem (body_too_large) without reading on, ClientDisconnect when the client went away."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            raise _too_large()
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(body)


def _too_large() -> Problem:
    # The connection stays open, and the server discards what is still on its way: closing it would reset the connection, and
    # the client would see that in place of this answer.
    return Problem(Code.BODY_TOO_LARGE, f"a body may have at most {MAX_BODY} bytes")
