"""The body of a request: received up to its bound, counted before it is parsed, and parsed so that every reader reads it alike.

A parser makes an object of every part and works for up to a tenth of a second on a quarter of a megabyte of them. No other client
is served meanwhile, and a client may send many such bodies at once: so parts are counted first, and large bodies take turns.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from time import perf_counter
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from event_schemas.codes import Code
from infra.http.problems import Problem

MAX_BODY = 256 * 1024
"""Bytes. A body of 100 lines with all texts at full length fits."""
LARGE_BODY = 16 * 1024
"""Bytes. What is larger takes milliseconds to be parsed and validated."""
MAX_PARTS = 4_096
"""Objects, arrays, and commas between their parts. An order of 100 lines has a tenth of that, so what is wrong with one that is
somewhat too long can still be named."""

_REST = 3
"""After a large body, the next one waits this many times as long as it took: together they have at most a quarter of the loop."""
_SHOWN = 100
"""Characters of a name that an answer repeats."""
_AT_ONCE = nullcontext()


def has_too_many_parts(body: bytes) -> bool:
    """Whether a body has more than MAX_PARTS of these outside of its texts."""
    if _marks(body) <= MAX_PARTS:
        return False
    # A part has two texts at most, a text two quotes that no backslash escapes. One that ends in a backslash may count as half,
    # none as more. What has more quotes than that is not taken apart, either.
    if body.count(b'"') - body.count(b'\\"') > 4 * MAX_PARTS + 2:
        return True
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    return _marks(b"".join(plain.split(b'"')[::2])) > MAX_PARTS


def _marks(text: bytes) -> int:
    return text.count(b",") + text.count(b"{") + text.count(b"[")


class Malformed(ValueError):
    """The bytes are no JSON that every reader reads alike; the text says where."""


def parse_json(body: bytes) -> Any:
    """Decode a request's body.

    Raises Malformed for what is no JSON (NaN, Infinity, lone surrogates and numbers beyond a double included) and for an
    object that names a member twice: RFC 8785, over which the fingerprint is taken, knows neither.
    """
    if not body:
        raise Malformed("the body is empty, a JSON object is expected")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    _refuse_repeated_names(body)
    return value


def _refuse_repeated_names(body: bytes) -> None:
    # orjson keeps the last of two members silently, so the standard parser has a second look.
    try:
        _look_for_repeated_names(body.decode())
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Malformed(f"the body names a member twice: {name[:_SHOWN]!r}")
        seen.add(name)


_look_for_repeated_names = json.JSONDecoder(object_pairs_hook=_unique, parse_int=str, parse_float=str).decode
"""Made once: `json.loads` would make it for each body. Numbers don't matter to it, so none is made of them."""


class LargeBodies:
    """Lets large bodies be looked at one after the other with rests between, so that forty at once delay others by one of them."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._free_at = 0.0

    def turn(self, size: int) -> AbstractAsyncContextManager[None]:
        """Enter when a body of `size` bytes may be looked at: a small one at once."""
        return _AT_ONCE if size <= LARGE_BODY else self._turn()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
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
