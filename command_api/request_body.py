"""The bytes of a request, as far as anyone wants to hold them."""

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from event_schemas.codes import Code
from infra.problems import Problem

MAX_BODY = 256 * 1024
"""Bytes. A body of 100 lines with all texts at full length fits."""


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
