"""What a request's head may take of the gateway, and how one that takes more is refused."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from event_schemas.codes import Code
from infra.http.problems import Problem

REFUSED = Counter("orders_refused_heads", "Heads of requests that were refused before any route saw them, by code", ["reason"])
SILENT = "silent"
"""The reason of a connection that never sent a byte, and is closed without a word."""
RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """`size`: bytes of request line and headers together. `seconds`: from the head's first byte to its end; of a connection's first
    head, from the connection's begin.

    `headers` is a bound of its own: a header costs some 150 bytes of memory, however short it is. `linger_bytes` and `linger_s`:
    what is still read and thrown away of a client that was refused. To close at once would reset the connection, and the client,
    still sending, would see that in place of the answer.
    """

    size: int = 16 * 1024
    headers: int = 128
    seconds: float = 10.0
    linger_bytes: int = 256 * 1024
    linger_s: float = 2.0

    def broken_by(self, *, size: int, target: bytes, headers: int) -> Problem | None:
        """The refusal of a head of so many bytes and headers, with this request target, as far as they have come."""
        if size > self.size:
            # The request target or the headers have more than half.
            return self._long_target() if 2 * len(target) > self.size else self._large()
        return self._large() if headers > self.headers else None

    def too_slow(self) -> Problem:
        """The refusal of a head that did not end in time."""
        return Problem(Code.HEAD_TOO_SLOW, f"the request line and all headers must arrive within {self.seconds:g} seconds")

    def too_much_around_body(self) -> Problem:
        """The refusal of trailers, or of extensions of chunks, that are larger than a head may be."""
        return Problem(Code.HEAD_TOO_LARGE, f"trailers and extensions of chunks may have at most {self.size} bytes")

    def _large(self) -> Problem:
        return Problem(
            Code.HEAD_TOO_LARGE,
            f"the request line and all headers may have at most {self.size} bytes together, and at most {self.headers} headers",
        )

    def _long_target(self) -> Problem:
        return Problem(
            Code.TARGET_TOO_LONG,
            f"the request's path and query are too long: with all headers they may have at most {self.size} bytes together",
        )


def head_size(method: bytes, target: bytes, headers: RawHeaders) -> int:
    """The bytes of a head that has ended, if there is one blank before each value."""
    return len(method) + len("  HTTP/1.1\r\n\r\n") + len(target) + sum(len(name) + len(value) + len(": \r\n") for name, value in headers)


def last_answer(problem: Problem, default_headers: RawHeaders) -> bytes:
    """The bytes of a refusal after which the connection ends."""
    response = problem.response()
    headers = [*default_headers, *response.raw_headers, (b"connection", b"close")]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[problem.status] + lines + b"\r\n" + bytes(response.body)


def without_offer(headers: RawHeaders) -> RawHeaders:
    """The headers of a request without its offer to go on in another protocol, which a server may ignore (RFC 9110, 7.8)."""
    for name, value in headers:
        if name == b"connection":
            kept = [option for option in value.split(b",") if option.strip().lower() != b"upgrade"]
            if any(option.strip() for option in kept):
                yield name, b",".join(kept)
        elif name != b"upgrade":
            yield name, value


def head_bytes(method: bytes, target: bytes, version: str, headers: RawHeaders) -> bytes:
    """A head as it stands on the wire."""
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, target, version.encode(), lines)
