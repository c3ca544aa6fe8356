"""A feed server on a log in memory, and clients that speak to it byte by byte."""

import asyncio
import base64
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import orjson

from event_schemas.events import Record
from event_schemas.recorded import RecordedMessage
from event_schemas.topics import COMMAND_OFFSET, PLACE
from infra.process.settings import Settings
from notifier.admission import Limits
from notifier.websocket.server import FeedServer
from tests.unit.notifier.fake_log import FakeLog

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
DEADLINE_S = 20.0


class MemoryTail(FakeLog):
    """A log in memory whose tail is what `infra.event_log.tail.LogTail` is to the feed."""

    def __init__(self, partitions: int) -> None:
        super().__init__(partitions)
        self.hurried = True
        self._delivered: list[Callable[[int, Sequence[RecordedMessage], int], None]] = []

    def subscribe(self, delivered: Callable[[int, Sequence[RecordedMessage], int], None]) -> Callable[[], None]:
        """As LogTail."""
        self._delivered.append(delivered)
        return lambda: self._delivered.remove(delivered) if delivered in self._delivered else None

    def on_replaced(self, replaced: Callable[[], None]) -> None:
        """As LogTail."""

    async def wait_until(self, next_offsets: Mapping[int, int], timeout_s: float) -> bool:
        """As LogTail."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while any(self.ends[partition] < offset for partition, offset in next_offsets.items()):
                    await asyncio.sleep(0.001)
                return True
        return False

    def show(self, partition: int, *records: Record) -> None:
        """Append and deliver in one run."""
        for record in records:
            self.append(partition, record)
        self.show_up_to(partition)

    def show_up_to(self, partition: int) -> None:
        """Deliver in one run what was appended."""
        run = self.records[partition][self.ends[partition] :]
        if run:
            self.ends[partition] += len(run)
            for delivered in self._delivered:
                delivered(partition, run, self.ends[partition])

    def hurry(self, wanted: bool) -> None:
        """As LogTail."""
        self.hurried = wanted

    def total(self) -> int:
        """Records in all partitions."""
        return sum(len(run) for run in self.records.values())


class MemorySlices:
    """What `notifier.log_slices.LogSlices` is, on a log in memory."""

    def __init__(self, log: MemoryTail) -> None:
        self._log = log

    async def read(self, ranges: Mapping[int, tuple[int, int]]) -> list[Any]:
        """As LogSlices: the next few of each partition."""
        await asyncio.sleep(0.001)
        return [
            SimpleNamespace(
                partition=partition,
                offset=counted.offset,
                timestamp=counted.timestamp_ms,
                key=str(counted.record.order_id).encode(),
                value=counted.value,
                headers=[(PLACE, b"%d" % counted.offset), (COMMAND_OFFSET, b"%d" % counted.offset)],
            )
            for partition, (start, end) in ranges.items()
            for counted in self._log.records[partition][start : min(end, start + 20)]
        ]

    async def ends(self) -> dict[int, int]:
        """As LogSlices: what was appended, seen or not."""
        return {partition: len(run) for partition, run in self._log.records.items()}

    async def close(self) -> None:
        """As LogSlices."""


@dataclass
class MemoryFeed:
    """A server and its log."""

    log: MemoryTail
    server: FeedServer
    port: int

    @classmethod
    async def start(cls, *, partitions: int = 2, limits: Limits | None = None, **settings: Any) -> "MemoryFeed":
        """Listening; `stop` it."""
        log = MemoryTail(partitions)
        tail: Any = log
        server = FeedServer(Settings(**settings), tail, limits=limits)
        slices: Any = MemorySlices(log)
        server._feed.slices = slices
        return cls(log, server, await server.start(0))

    async def stop(self) -> None:
        """Close everything."""
        await self.server.stop()


StartFeed = Callable[..., Awaitable[MemoryFeed]]
"""`MemoryFeed.start`, of which somebody else stops what it started."""


@dataclass
class Frame:
    """A websocket frame as it came."""

    first: int
    payload: bytes

    @property
    def opcode(self) -> int:
        """What it is."""
        return self.first & 0x0F

    def json(self) -> dict[str, Any]:
        """A frame of the feed."""
        assert self.first == 0x80 | TEXT
        read: dict[str, Any] = orjson.loads(self.payload)
        return read

    @property
    def close_code(self) -> int | None:
        """Of a close frame; None when it names none."""
        assert self.opcode == CLOSE
        return int.from_bytes(self.payload[:2]) if self.payload else None


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A client's frame, right or wrong."""
    length = len(payload)
    size = bytes((length,)) if length < 126 else b"\x7e" + length.to_bytes(2) if length < 1 << 16 else b"\x7f" + length.to_bytes(8)
    first = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    if not masked:
        return first + size + payload
    mask = os.urandom(4)
    return first + bytes((size[0] | 0x80,)) + size[1:] + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


class RawClient:
    """Bytes in, frames out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.answer: dict[str, str] = {}
        self.status = 0

    @classmethod
    async def connect(cls, port: int, *, path: str = "/feed", small: bool = False, **headers: str) -> "RawClient":
        """Shake hands; `status` and `answer` (its headers) say how it went. `small`: the kernel holds little for it."""
        end = socket.socket()
        if small:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", port))
        client = cls(*await asyncio.open_connection(sock=end, limit=1 << 22))
        lines = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        await client.send(f"GET {path} HTTP/1.1\r\n".encode() + b"".join(f"{n}: {v}\r\n".encode() for n, v in lines.items()) + b"\r\n")
        async with asyncio.timeout(DEADLINE_S):
            head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
        client.status = int(head.split()[1])
        client.answer = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        return client

    async def send(self, data: bytes) -> None:
        """As it is."""
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def say(self, **request: Any) -> None:
        """A request of the feed's; `start` stands for `from`."""
        if "start" in request:
            request["from"] = request.pop("start")
        await self.send(frame(TEXT, orjson.dumps(request)))

    async def next(self) -> Frame:
        """The next frame. Raises EOFError at the end."""
        async with asyncio.timeout(DEADLINE_S):
            first, second = await self.reader.readexactly(2)
            assert second < 0x80, "a server does not mask"
            length = second
            if length > 125:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8))
            return Frame(first, await self.reader.readexactly(length))

    async def until(self, kind: str) -> dict[str, Any]:
        """The next frame of the feed's of this type."""
        while (found := (await self.next()).json())["type"] != kind:
            pass
        return found

    async def rest(self) -> list[Frame]:
        """Every frame up to the end of the connection."""
        frames = []
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frames.append(await self.next())
        return frames

    async def close_code(self) -> int | None:
        """Of the close frame that ends the connection; -1 when it ends without."""
        frames = await self.rest()
        return frames[-1].close_code if frames and frames[-1].opcode == CLOSE else -1

    async def leave(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
