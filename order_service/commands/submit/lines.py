"""A file of orders, one JSON object a line, read a few lines at a time however long it is."""

import asyncio
import gzip
import hashlib
import io
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

_GZIP = b"\x1f\x8b"
_LONGEST = 1024 * 1024
"""Bytes that a line may have; the gateway takes a quarter of it."""
_BATCH = 200
_BATCH_S = 0.05
# What a header can carry unchanged: printable ASCII without space at its ends.
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


@dataclass(frozen=True, slots=True)
class Order:
    """A line to send, with the Idempotency-Key that makes sending it twice harmless."""

    number: int
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be sent, with the reason."""

    number: int
    detail: str


class OrderFile:
    """Lines of a file or, for `-`, of standard input; gzip is recognised by its first bytes. Raises OSError when it can't be read."""

    def __init__(self, path: str) -> None:
        self._raw: BinaryIO = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115  # closed by `close`
        self.size = None if path == "-" else Path(path).stat().st_size
        """Bytes, as compressed; None when unknown."""
        buffered = self._raw if isinstance(self._raw, io.BufferedReader) else io.BufferedReader(self._raw)  # type: ignore[type-var]
        zipped = buffered.peek(2)[:2] == _GZIP
        self._text: BinaryIO = gzip.GzipFile(fileobj=buffered) if zipped else buffered  # type: ignore[assignment]
        self._lines = self._read()
        self._ready: deque[Order | BadLine] = deque()
        self._reading = asyncio.Lock()
        self._ended = False

    def done(self) -> int:
        """Bytes read so far, as compressed."""
        return self._raw.tell() if self.size is not None else 0

    def close(self) -> None:
        """Let go of the file."""
        if self.size is not None:
            self._raw.close()

    async def next(self) -> Order | BadLine | None:
        """The next line, None at the end; many tasks may ask at the same time. Raises OSError or EOFError for a broken gzip file."""
        while not self._ready:
            async with self._reading:
                if not self._ready and not self._ended:
                    self._ready.extend(await asyncio.to_thread(self._batch))
                    self._ended = not self._ready
            if self._ended:
                return None
        return self._ready.popleft()

    def _batch(self) -> list[Order | BadLine]:
        until = time.monotonic() + _BATCH_S
        lines: list[Order | BadLine] = []
        for line in self._lines:
            lines.append(line)
            if len(lines) == _BATCH or time.monotonic() > until:
                break
        return lines

    def _read(self) -> Iterator[Order | BadLine]:
        number = 0
        while line := self._text.readline(_LONGEST + 1):
            number += 1
            if len(line) > _LONGEST:
                while line and not line.endswith(b"\n"):
                    line = self._text.readline(_LONGEST)
                yield BadLine(number, f"is longer than {_LONGEST} bytes")
            elif line.strip():
                yield order_of(number, line.strip())


def order_of(number: int, line: bytes) -> Order | BadLine:
    """What to send for a line: under its `reference` as Idempotency-Key, else under the line's SHA-256."""
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BadLine(number, f"is not JSON: {error}")
    reference = content.get("reference") if isinstance(content, dict) else None
    if isinstance(reference, str) and _KEY.fullmatch(reference):
        return Order(number, reference, line)
    return Order(number, hashlib.sha256(line).hexdigest(), line)
