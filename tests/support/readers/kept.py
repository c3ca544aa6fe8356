"""Mutated messages with what the reader before said of them, as a file: a checkout has no such reader."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

from tests.support.readers.after import Answer
from tests.support.readers.mutated import Message

FILE = Path(__file__).parents[2] / "contract" / "reader_before.jsonl.gz"
_BYTES = "latin-1"
"""Each byte is one character, so that bytes which are no UTF-8 can stand in JSON."""


class Kept(NamedTuple):
    """A message, the answer of the reader before, and the names of what differed when it was written."""

    message: Message
    before: Answer
    names: tuple[str, ...]


def write(kept: list[Kept]) -> None:
    """Replace the file. The same messages give the same bytes."""
    lines = "".join(json.dumps(_plain(one), separators=(",", ":")) + "\n" for one in kept)
    FILE.write_bytes(gzip.compress(lines.encode(), mtime=0))


def read() -> list[Kept]:
    """What was written."""
    return [_kept(json.loads(line)) for line in gzip.decompress(FILE.read_bytes()).splitlines()]


def _plain(one: Kept) -> list[object]:
    topic, value, key, offset, headers = one.message
    texts = [[name, None if text is None else text.decode(_BYTES)] for name, text in headers]
    return [[topic, value.decode(_BYTES), key.decode(_BYTES), offset, texts], one.before, one.names]


def _kept(plain: list[list[object]]) -> Kept:
    (topic, value, key, offset, headers), before, names = plain
    texts = tuple((name, None if text is None else text.encode(_BYTES)) for name, text in headers)  # type: ignore[attr-defined]
    return Kept(Message(topic, value.encode(_BYTES), key.encode(_BYTES), offset, texts), Answer(*before), tuple(names))  # type: ignore
