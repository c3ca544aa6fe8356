"""A snapshot on disk: what it is of, some sections of bytes, and a checksum over all of it. Disposable: never the only copy."""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

_MAGIC = b"orders-snapshot-1 "
_CHECKSUM_BYTES = 32


class BadSnapshot(Exception):
    """The file is torn, of another format or machine, or no snapshot at all; the text says which."""


def _checksum(content: Sequence[bytes]) -> bytes:
    hashed = hashlib.blake2b(digest_size=_CHECKSUM_BYTES)
    for piece in content:
        hashed.update(piece)
    return hashed.digest()


def write_snapshot(path: Path, head: Mapping[str, Any], sections: Sequence[bytes]) -> None:
    """Replace the file in one step. Raises OSError when the disk does not take it."""
    described = orjson.dumps({**head, "byte_order": sys.byteorder, "lengths": [len(section) for section in sections]})
    content = [_MAGIC, b"%d\n" % len(described), described, *sections]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.writelines([*content, _checksum(content)])
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_snapshot(path: Path) -> tuple[dict[str, Any], list[bytes]] | None:
    """Head and sections; None when there is no file. Raises BadSnapshot, OSError when the file can't be read."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if not body.startswith(_MAGIC):
        raise BadSnapshot("it is no snapshot of this format")
    if _checksum([body]) != checksum:
        raise BadSnapshot("its checksum is wrong")
    line, _, rest = body.partition(b"\n")
    length = int(line[len(_MAGIC) :])
    head = orjson.loads(rest[:length])
    if head.pop("byte_order") != sys.byteorder:
        raise BadSnapshot("it was written by a machine with another byte order")
    sections, begin = [], length
    for size in head.pop("lengths"):
        sections.append(rest[begin : begin + size])
        begin += size
    return head, sections
