"""Thousands of feed clients in one loop over epoll. Frames are found by their lengths and counted; nothing is parsed unless asked for."""

import json
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

_HANDSHAKE = (
    b"GET /feed HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: b3JkZXJzLWJlbmNoLXJ1bg==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: orders.v1.json\r\n\r\n"
)
_HEAD_END = b"\r\n\r\n"
_RETRY_AFTER = re.compile(rb"\r\nRetry-After: (\d+)", re.IGNORECASE)
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_EVENT, _CAUGHT_UP = b'{"type":"event"', b'"type":"caught_up"'
_RECEIVE = 256 * 1024
_AT_ONCE = 200
OnEvent = Callable[["FeedClient", bytes], None]


class NotServed(Exception):
    """The feed did not do what a client needs; the text says what."""


def subscribe(start: str = "latest", **wanted: str) -> bytes:
    """A client's first frame, as bytes on the wire."""
    return masked(json.dumps({"type": "subscribe", "filter": wanted, "from": start}).encode())


def masked(payload: bytes) -> bytes:
    """A text frame of a client, masked with zeros."""
    return _masked(_TEXT, payload)


def _masked(kind: int, payload: bytes) -> bytes:
    length = len(payload)
    head = bytes((kind, 0x80 | length)) if length < 126 else bytes((kind, 0x80 | 126)) + length.to_bytes(2)
    return head + b"\0\0\0\0" + payload


class FeedClient:
    """One connection. `events`: event frames that came. `closed`: the server's close code, 0 without one, None while it is open."""

    __slots__ = ("caught_up", "closed", "events", "last_event", "number", "rest", "socket")

    def __init__(self, number: int, connection: socket.socket) -> None:
        self.number, self.socket = number, connection
        self.rest = b""
        self.events = 0
        self.last_event: bytes = b""
        self.caught_up = False
        self.closed: int | None = None


def frames_of(client: FeedClient, received: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole frames that have come by now, as first byte and payload; what is cut off is kept for the next time."""
    buffer = client.rest + received if client.rest else received
    position, end = 0, len(buffer)
    while end - position >= 2:
        length, begin = buffer[position + 1], position + 2
        if length == 126:
            begin = position + 4
            if begin > end:
                break
            length = buffer[position + 2] << 8 | buffer[position + 3]
        elif length == 127:
            begin = position + 10
            if begin > end:
                break
            length = int.from_bytes(buffer[position + 2 : begin])
        if begin + length > end:
            break
        yield buffer[position], buffer[begin : begin + length]
        position = begin + length
    client.rest = buffer[position:]


class FeedClients:
    """Clients of one port. `on_event`, if set, is called with every event frame's payload. Call `close` in the end."""

    def __init__(self, port: int, first_frames: Sequence[bytes], *, websocket: bool = True, receive_bytes: int | None = None) -> None:
        self._port, self._first_frames, self._websocket = port, first_frames, websocket
        self._receive_bytes = receive_bytes
        self._selector = selectors.DefaultSelector()
        self.clients: list[FeedClient] = []
        self.on_event: OnEvent | None = None
        self.events = 0
        self.caught_up = 0
        self.closed = 0
        self.first_at = 0.0
        """When the first event frame since `expect` came."""
        self._cut = False
        self._shaking_hands: dict[FeedClient, None] = {}
        self._due = [(0.0, number) for number in range(len(first_frames))]
        """A heap: when to connect, or to connect again, and which client."""

    def connect(self, timeout_s: float = 60.0, *, caught_up: bool = True) -> None:
        """Open all, some at a time. With `caught_up` wait until each has said so. A refused client comes again when it was told to.

        Raises NotServed, OSError, TimeoutError.
        """
        deadline = time.monotonic() + timeout_s
        self.receive_until(self._all_open, timeout_s)
        if caught_up and self._websocket:
            self.receive_until(lambda: self.caught_up >= len(self.clients), deadline - time.monotonic())

    def _all_open(self) -> bool:
        """Open connections that are due, so many at once; True when all clients are in."""
        while self._due and len(self._shaking_hands) < _AT_ONCE and self._due[0][0] <= time.monotonic():
            self._open(heappop(self._due)[1])
        return not self._due and not self._shaking_hands

    def _open(self, number: int) -> None:
        connection = socket.socket()
        connection.settimeout(30.0)
        if self._receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        connection.connect(("127.0.0.1", self._port))
        client = FeedClient(number, connection)
        if self._websocket:
            connection.sendall(_HANDSHAKE)
            self._shaking_hands[client] = None
        else:
            connection.sendall(self._first_frames[number])
            self.clients.append(client)
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _greeted(self, client: FeedClient, received: bytes) -> bytes:
        """What came after the server's greeting, once the greeting is whole."""
        client.rest += received
        head, end, rest = client.rest.partition(_HEAD_END)
        if not end and received:
            return b""
        del self._shaking_hands[client]
        if head.startswith(b"HTTP/1.1 101"):
            client.rest = b""
            client.socket.sendall(self._first_frames[client.number])
            self.clients.append(client)
            return rest
        self._selector.unregister(client.socket)
        client.socket.close()
        again_s = _RETRY_AFTER.search(head)
        if not head.startswith(b"HTTP/1.1 503") or again_s is None:
            raise NotServed(f"the feed answered {head[:100]!r}")
        heappush(self._due, (time.monotonic() + int(again_s[1]), client.number))
        return b""

    def expect(self) -> None:
        """Count events anew from here."""
        self.events, self.first_at = 0, 0.0

    def receive_until(self, done: Callable[[], bool], timeout_s: float) -> float:
        """Receive until `done()`; when that was (perf_counter). Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not done():
            for key, _ in self._selector.select(0.05):
                self._receive(key.data)
            if self._cut:
                raise NotServed("the clients were closed")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.events} events, {self.caught_up} of {len(self.clients)} caught up, {self.closed} closed")
        return time.perf_counter()

    def receive_for(self, seconds: float) -> None:
        """Receive for so many seconds."""
        end = time.monotonic() + seconds
        self.receive_until(lambda: time.monotonic() >= end, seconds + 5.0)

    def _receive(self, client: FeedClient) -> None:
        try:
            received = client.socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if client in self._shaking_hands:
            received = self._greeted(client, received)
            if not received:
                return
        elif not received:
            self._left(client, 0)
            return
        before = client.events
        for kind, payload in frames_of(client, received):
            self._frame(client, kind, payload)
        if client.events > before:
            self.events += client.events - before
            self.first_at = self.first_at or time.perf_counter()

    def _frame(self, client: FeedClient, kind: int, payload: bytes) -> None:
        if kind == _TEXT and payload.startswith(_EVENT):
            client.events += 1
            client.last_event = payload
            if self.on_event is not None:
                self.on_event(client, payload)
        elif kind == _TEXT and _CAUGHT_UP in payload:
            client.caught_up = True
            self.caught_up += 1
        elif kind == _PING:
            client.socket.send(_masked(_PONG, payload))
        elif kind == _CLOSE:
            self._left(client, int.from_bytes(payload[:2]))

    def _left(self, client: FeedClient, code: int) -> None:
        if client.closed is None:
            client.closed = code
            self.closed += 1
            self._selector.unregister(client.socket)
            client.socket.close()

    def pause(self, clients: Iterable[FeedClient]) -> None:
        """Stop reading from these."""
        for client in clients:
            self._selector.unregister(client.socket)

    def resume(self, clients: Iterable[FeedClient]) -> None:
        """Read from these again."""
        for client in clients:
            self._selector.register(client.socket, selectors.EVENT_READ, client)

    def close(self) -> None:
        """Cut all connections; a thread that receives comes to an end."""
        self._cut = True
        for client in (*self.clients, *self._shaking_hands):
            client.socket.close()
        self._selector.close()


def parsed(payload: bytes) -> Mapping[str, Any]:
    """A frame as the client reads it."""
    frame: Mapping[str, Any] = json.loads(payload)
    return frame
