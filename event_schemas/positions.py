"""Tokens for places in the log: opaque to clients, the same on every instance, good for ever on the same log.

A position means "everything up to and including it". Each names one partition (a write's) or all of them (a read's, the
feed's), and carries a digest of the log it belongs to, so that a token from a replaced log is noticed.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_DIGEST_BYTES = 8


class NoToken(ValueError):
    """The text is no token of the kind that was asked for."""


@dataclass(frozen=True)
class LogIdentity:
    """Which log this is: its partition count and what stands at offset 0 of each partition that has begun."""

    partitions: int
    first: Mapping[int, bytes] = field(default_factory=dict)

    def digest(self, partitions: Iterable[int]) -> bytes:
        """Eight bytes that name the log as far as those partitions tell; partitions that have not begun say nothing."""
        hashed = hashlib.blake2b(self.partitions.to_bytes(4), digest_size=_DIGEST_BYTES)
        for partition in sorted(partitions):
            hashed.update(partition.to_bytes(4) + self.first.get(partition, b""))
        return hashed.digest()


@dataclass(frozen=True)
class Position:
    """A place in the event log. `next_offsets`: per named partition, the offset after the last one included."""

    partitions: int
    next_offsets: Mapping[int, int]
    digest: bytes

    @classmethod
    def of(cls, identity: LogIdentity, next_offsets: Mapping[int, int]) -> "Position":
        """The position of this log after these offsets."""
        return cls(identity.partitions, dict(next_offsets), identity.digest(_begun(next_offsets)))

    def belongs_to(self, identity: LogIdentity) -> bool:
        """Whether this position was given out for that log."""
        return (
            self.partitions == identity.partitions
            and all(partition in identity.first for partition in _begun(self.next_offsets))
            and self.digest == identity.digest(_begun(self.next_offsets))
        )

    def token(self) -> str:
        """The position as clients see it."""
        numbers = [self.partitions]
        for partition, offset in sorted(self.next_offsets.items()):
            numbers += [partition, offset]
        return "e." + _text(self.digest + _packed(numbers))

    @classmethod
    def parse(cls, token: str) -> "Position":
        """Read a token. Raises NoToken when the text is none."""
        raw = _raw(token, "e.", "a position in the event log")
        digest, numbers = raw[:_DIGEST_BYTES], _unpacked(raw[_DIGEST_BYTES:])
        if len(digest) < _DIGEST_BYTES or len(numbers) % 2 != 1:
            raise NoToken("is no position in the event log")
        offsets = dict(zip(numbers[1::2], numbers[2::2], strict=True))
        if any(partition >= numbers[0] for partition in offsets):
            raise NoToken("is no position in the event log")
        return cls(numbers[0], offsets, digest)


class MovingPosition:
    """A position that moves on record by record: the tokens of `Position.of(…).token()` at a small part of their price."""

    __slots__ = ("_begun", "_head", "_identity", "_packed")

    def __init__(self, identity: LogIdentity, next_offsets: Mapping[int, int]) -> None:
        self._packed = {partition: _packed((partition, offset)) for partition, offset in sorted(next_offsets.items())}
        self._begun = set(_begun(next_offsets))
        self._settle(identity)

    def token(self) -> str:
        """The position as clients see it."""
        return "e." + _text(self._head + b"".join(self._packed.values()))

    def moved(self, identity: LogIdentity, partition: int, next_offset: int) -> str:
        """The token after everything below `next_offset` of one of its partitions is included, too."""
        self._packed[partition] = _packed((partition, next_offset))
        if identity is not self._identity or partition not in self._begun:
            if next_offset > 0:
                self._begun.add(partition)
            self._settle(identity)
        return self.token()

    def _settle(self, identity: LogIdentity) -> None:
        self._identity = identity
        self._head = identity.digest(self._begun) + _packed((identity.partitions,))


@dataclass(frozen=True)
class CommandPlace:
    """Where a command stands in `order-commands`."""

    partition: int
    offset: int

    def token(self) -> str:
        """The place as it stands in a 202's `submitted=`."""
        return "c." + _text(_packed([self.partition, self.offset]))

    @classmethod
    def parse(cls, token: str) -> "CommandPlace":
        """Read a token. Raises NoToken when the text is none."""
        numbers = _unpacked(_raw(token, "c.", "a place in order-commands"))
        if len(numbers) != 2:
            raise NoToken("is no place in order-commands")
        return cls(*numbers)


def _begun(next_offsets: Mapping[int, int]) -> list[int]:
    return [partition for partition, offset in next_offsets.items() if offset > 0]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(token: str, prefix: str, what: str) -> bytes:
    if not token.startswith(prefix) or not token.isascii() or len(token) > 100_000:
        raise NoToken(f"is not {what}: that begins with '{prefix}'")
    body = token[len(prefix) :]
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except ValueError as error:
        raise NoToken(f"is not {what}") from error
    if _text(raw) != body:
        raise NoToken(f"is not {what}")
    return raw


def _packed(numbers: Iterable[int]) -> bytes:
    """LEB128: seven bits a byte, so that a vector of small offsets stays short."""
    packed = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            packed.append(rest & 0x7F | 0x80)
            rest >>= 7
        packed.append(rest)
    return bytes(packed)


def _unpacked(raw: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
        elif shift > 56:
            raise NoToken("holds a number that is too large")
    if shift:
        raise NoToken("is cut off")
    return numbers
