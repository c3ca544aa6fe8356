"""HTTP as uvicorn speaks it, with bounds on a request's head, and what ASGI leaves out.

A head that is too large, too slow or malformed is refused with a problem, after the answers to the requests before it, and
the connection ends. Offers to go on in another protocol are ignored. A response can cut off a client that does not read.
"""

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from event_schemas.codes import Code
from gateway.heads import REFUSED, SILENT, HeadLimits, head_bytes, head_size, last_answer, without_offer
from infra.http.problems import Problem
from notifier.sse.streams import ABORT

_SLICE = 4096
"""Bytes that are parsed at a time: what the parser makes of a head takes up to 20 times the memory, so it is looked at between."""
_MALFORMED = "the request is not HTTP/1.1 as RFC 9112 has it"


class _TooMuch(Exception):
    """Raised inside the parser, so that it stops."""


class _Flow(FlowControl):
    """uvicorn's flow control, which an application that waits for its client opens again; here not while bytes are held back."""

    held = False

    def hold(self) -> None:
        """Read nothing until `held` is false again."""
        self.held = True
        self.pause_reading()

    def resume_reading(self) -> None:
        """Read on, if nothing is held back."""
        if not self.held:
            super().resume_reading()


class GatewayProtocol(HttpToolsProtocol):
    """One connection. Offers the ASGI extension `orders.abort`."""

    limits: ClassVar[HeadLimits] = HeadLimits()

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url = b""
        # Of the head that is awaited or has begun to come; None while a body comes.
        self._taken: int | None = 0
        self._since_body = 0
        self._begun = False
        self._requests = 0
        self._too_much: Problem | None = None
        self._unparsed = b""
        self._head_timer: asyncio.TimerHandle | None = None
        # Once nothing more is read of this client.
        self._ended = False
        self._last_word: bytes | None = None
        self._thrown_away = 0
        self._linger_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client the time of one head to send its first."""
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport)
        self._expect_end_of_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_head_timer()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    # What the client sends

    def data_received(self, data: bytes) -> None:
        """Parse it, as far as it may be parsed."""
        self._unset_keepalive_if_required()
        if self._ended:
            self._throw_away(len(data))
        else:
            self._parse(self._unparsed + data if self._unparsed else data)

    def _parse(self, data: bytes) -> None:
        self._unparsed = b""
        at = 0
        while at < len(data) and not self._ended:
            if self.pipeline:
                # A client may send thousands of requests at once: those behind the next one stay the bytes that they are.
                self._unparsed = data[at:]
                self.flow.hold()
                return
            at += self._parse_slice(data[at : at + min(_SLICE, self.limits.size - (self._taken or 0))])

    def _parse_slice(self, data: bytes) -> int:
        """How many of these bytes were parsed: fewer than all of them, when the rest goes to another parser."""
        requests = self._requests
        try:
            used = self._feed(data)
        except httptools.HttpParserError:
            self._refuse(self._too_much or Problem(Code.MALFORMED_REQUEST, _MALFORMED))
            return len(data)
        if self._taken is not None:
            # It is not known where in a slice a later head began: the head is measured when it has ended.
            self._taken = self._taken + used if requests == self._requests else 0
            if self._begun or self._taken:
                self._look_at_unfinished_head(self._taken + 1)
        elif self._since_body > self.limits.size:
            # Trailers and extensions of chunks have no end of their own, and cost as much as headers.
            self._refuse(self.limits.too_much_around_body())
        else:
            self._since_body += used
        return used

    def _feed(self, data: bytes) -> int:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            used = int(offer.args[0])
        else:
            return len(data)
        self._go_on_in_http()
        return used

    def _look_at_unfinished_head(self, at_least: int) -> None:
        problem = self.limits.broken_by(size=at_least, target=self.url, headers=len(self.headers) if self._begun else 0)
        if problem is not None:
            self._refuse(problem)
        elif self._head_timer is None:
            self._expect_end_of_head()

    def _go_on_in_http(self) -> None:
        """Hand the head to a new parser, without its offer: the one that met it takes the body for another protocol's."""
        method = self.parser.get_method()
        if method == b"CONNECT":  # answered, and what follows is meant for a tunnel
            self._ended = True
            return
        head = head_bytes(method, self.url, self.parser.get_http_version(), without_offer(self.headers))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self.parser.feed_data(head)

    # What the parser finds in it

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        super().on_message_begin()
        self._begun = True
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. A trailer is no header (RFC 9110, 6.5.1), and is dropped."""
        if self._taken is not None:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._since_body = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Take the end of a head. A head that offers another protocol comes a second time, without the offer."""
        if self._is_offer():
            return
        # What was not counted of it lies within one slice.
        size = head_size(self.parser.get_method(), self.url, self.headers) if (self._taken or 0) + 2 * _SLICE > self.limits.size else 0
        self._too_much = self.limits.broken_by(size=size, target=self.url, headers=len(self.headers))
        if self._too_much is not None:
            raise _TooMuch
        super().on_headers_complete()
        self._taken, self._begun, self._since_body = None, False, 0
        self._stop_head_timer()
        if self.parser.should_upgrade():  # CONNECT
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Take the end of a request: the next byte begins the next head."""
        if self._is_offer():
            return
        super().on_message_complete()
        self._taken, self.url = 0, b""
        self._requests += 1
        if self.cycle.response_complete and not self.pipeline and self._head_timer is None:
            self._expect_end_of_head()  # answered before its body had come: keep-alive's own timer was ended by the body

    def _is_offer(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def on_response_complete(self) -> None:
        """Go on with what waited for this answer."""
        was_last = not self.pipeline
        # Nothing more is read while requests wait behind the next one: each answer would let another piece in.
        self.flow.held = len(self.pipeline) > 1 and bool(self._unparsed)
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._ended and was_last:
            self._say_last_word()
        elif self._unparsed and not self.pipeline:
            self._unset_keepalive_if_required()
            self._parse(self._unparsed)
        elif self._head_timer is not None:
            self._unset_keepalive_if_required()  # the next head has begun already, and has its own time

    # The end

    def _expect_end_of_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.seconds, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused:  # it is the gateway that does not read
            self._expect_end_of_head()
        elif self._begun or self._taken:
            self._refuse(self.limits.too_slow())
        else:
            REFUSED.labels(SILENT).inc()
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Read no further, and say why when all requests before are answered."""
        REFUSED.labels(str(problem.code)).inc()
        self._ended = True
        self._unparsed = b""
        self._stop_head_timer()
        self._last_word = last_answer(problem, self.server_state.default_headers)
        if self._taken is None:
            self._give_up_request()
        elif self.cycle is None or self.cycle.response_complete:
            self._say_last_word()

    def _give_up_request(self) -> None:
        """The body is malformed: the refusal is the answer to this request, unless it has one."""
        if self.pipeline:
            self.pipeline.popleft()  # not begun; the one before it is under way
        elif self.cycle.response_started and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self._last_word = None if self.cycle.response_complete else self._last_word
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._say_last_word()

    def _say_last_word(self) -> None:
        self._unset_keepalive_if_required()
        if self._last_word is not None:
            self.transport.write(self._last_word)
        self.transport.write_eof()
        self._linger_timer = self.loop.call_later(self.limits.linger_s, self.transport.close)
        self._read_on()

    def _read_on(self) -> None:
        self.flow.held = False
        self.flow.resume_reading()

    def _throw_away(self, size: int) -> None:
        self._thrown_away += size
        if self._thrown_away > self.limits.linger_bytes:
            if self._linger_timer is not None:
                self.transport.close()
            else:
                self.flow.hold()
