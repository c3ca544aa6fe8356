"""Messages of every released version, changed at random in all the ways that a writer by hand, a fault or a later release might.

The same seed gives the same messages. A message is changed as a tree whose leaves are JSON text, so that any spelling can stand
anywhere; some are changed as bytes.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from tests.support.readers.spellings import (
    AMOUNTS,
    ANYTHING,
    CODES,
    IDS,
    INTEGERS,
    LARGE,
    TIMES,
    TYPES,
    VERSIONS,
    any_text,
    text,
)


class Message(NamedTuple):
    """What stands in a topic, with as much of Kafka's framing as is read."""

    topic: str
    """`command` or `record`."""
    value: bytes
    key: bytes = b""
    offset: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Members(list[tuple[str, Any]]):
    """An object's members, in order; a name may come twice."""


_POOLS: dict[str, list[bytes]] = {
    **dict.fromkeys(("id", "order_id", "command_id"), IDS),
    **dict.fromkeys(("issued_at", "occurred_at", "ordered_at", "shipped_at", "cancelled_at"), TIMES),
    **dict.fromkeys(("unit_price", "total"), AMOUNTS),
    **dict.fromkeys(("quantity", "units", "version", "expected_version"), INTEGERS),
    "schema_version": VERSIONS,
    "currency": CODES,
    "type": TYPES,
}
"""By member, the spellings that are of interest for it."""


def parsed(value: bytes) -> Any:
    """The message as a tree."""
    return _tree(orjson.loads(value))


def _tree(node: Any) -> Any:
    if isinstance(node, dict):
        return Members((name, _tree(value)) for name, value in node.items())
    if isinstance(node, list):
        return [_tree(one) for one in node]
    return orjson.dumps(node)


def written(node: Any, blank: bytes = b"") -> bytes:
    """The tree's bytes."""
    if isinstance(node, bytes):
        return node
    if isinstance(node, Members):
        return b"{" + b",".join([blank + orjson.dumps(name) + b":" + blank + written(value, blank) for name, value in node]) + b"}"
    return b"[" + b",".join([written(one, blank) for one in node]) + blank + b"]"


def _copied(node: Any) -> Any:
    if isinstance(node, Members):
        return Members((name, _copied(value)) for name, value in node)
    return [_copied(one) for one in node] if isinstance(node, list) else node


def _objects(node: Any) -> Iterator[Members]:
    if isinstance(node, Members):
        yield node
    for child in [value for _, value in node] if isinstance(node, Members) else node:
        if not isinstance(child, bytes):
            yield from _objects(child)


class Mutations:
    """Endless mutated messages. `large`: one of so many holds a huge text, number or nesting."""

    def __init__(self, seed: int, originals: list[tuple[str, bytes]], *, large: int = 4000) -> None:
        self._random = random.Random(seed)
        self._originals = [(topic, parsed(value)) for topic, value in originals]
        self._large = large

    def __iter__(self) -> Iterator[Message]:
        """One after the other."""
        while True:
            yield self._next()

    def _next(self) -> Message:
        chance = self._random
        topic, original = chance.choice(self._originals)
        tree = _copied(original)
        for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 3))):
            objects = list(_objects(tree))
            chosen = chance.choice(objects) if chance.random() < 0.6 else objects[0]
            chance.choices(self._CHANGES, self._WEIGHTS)[0](self, chosen)
        value = written(tree, chance.choice((b"", b"", b"", b"", b"", b"", b"", b" ", b"\n\t", b"\r")))
        if chance.random() < 0.12:
            value = self._other_bytes(value)
        key = next((leaf.strip(b'"') for name, leaf in reversed(tree) if name == "order_id" and isinstance(leaf, bytes)), b"")
        if topic == "command":
            return Message(topic, value, key)
        return self._framed(value, key)

    def _spelling(self, name: str) -> bytes:
        chance = self._random
        if chance.randrange(self._large) == 0:
            return chance.choice(LARGE)()
        pool = _POOLS.get(name)
        if pool is not None:
            return chance.choice(pool) if chance.random() < 0.75 else chance.choice(ANYTHING)
        return text(chance) if chance.random() < 0.7 else chance.choice(ANYTHING)

    def _replace(self, members: Members) -> None:
        if members:
            place = self._random.randrange(len(members))
            name, value = members[place]
            if isinstance(value, bytes) or self._random.random() < 0.15:
                members[place] = (name, self._spelling(name))

    def _remove(self, members: Members) -> None:
        if members:
            members.pop(self._random.randrange(len(members)))

    def _add(self, members: Members) -> None:
        name = self._random.choice(("later", "sales_channel", "reference", "key_hash", "expected_version", "customer_id", "type", ""))
        members.insert(self._random.randrange(len(members) + 1), (name, self._spelling(name)))

    def _repeat(self, members: Members) -> None:
        if members:
            name, value = self._random.choice(members)
            again = self._spelling(name) if self._random.random() < 0.7 else _copied(value)
            members.insert(self._random.randrange(len(members) + 1), (name, again))

    def _reorder(self, members: Members) -> None:
        self._random.shuffle(members)

    def _rename(self, members: Members) -> None:
        if members:
            place = self._random.randrange(len(members))
            name, value = members[place]
            members[place] = (self._random.choice((name.upper(), name + " ", name[:-1], "é" + name, any_text(self._random))), value)

    def _lists(self, members: Members) -> None:
        for place, (name, value) in enumerate(members):
            if isinstance(value, list) and not isinstance(value, Members):
                members[place] = (name, value * self._random.choice((0, 2, 50, 100, 101)))

    def _nest(self, members: Members) -> None:
        value: Any = b"1"
        for _ in range(self._random.choice((1, 10, 30))):
            value = [value] if self._random.random() < 0.5 else Members([("a", value)])
        members.append((self._random.choice(("later", "data", "lines", "actor")), value))

    _CHANGES: tuple[Callable[["Mutations", Members], None], ...] = (
        _replace,
        _remove,
        _add,
        _repeat,
        _reorder,
        _rename,
        _lists,
        _nest,
    )
    _WEIGHTS = (60, 8, 8, 8, 4, 4, 3, 2)

    def _other_bytes(self, value: bytes) -> bytes:
        chance, place = self._random, self._random.randrange(len(value) or 1)
        begin, end = value[:place], value[place:]
        foreign = (b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\x00", b"\x1f", b"\x7f", b"\\")
        flipped = bytes([end[0] ^ 1 << chance.randrange(8)]) if end else b""
        return chance.choice(
            (
                begin,
                begin + flipped + end[1:],
                begin + flipped + end[1:],
                begin + chance.choice(foreign) + end,
                begin + end[1:],
                chance.choice((b"\xef\xbb\xbf", b" \r\n\t", b"\x0b", b"\x00")) + value,
                value + chance.choice((b" \n", b"\x00", b"{}", b",", b"]")),
                chance.choice((b"", b"null", b"[]", b"{}", b"junk", b"1", b'"text"', b"[" + value + b"]")),
            )
        )

    def _framed(self, value: bytes, key: bytes) -> Message:
        chance = self._random
        offset = chance.choice((0, 7, 517, 2**31, 2**53, 2**63 - 1))
        place: bytes | None = b"%d" % offset
        command_offset: bytes | None = b"%d" % chance.randrange(10**6)
        if chance.random() < 0.05:
            place = chance.choice(_NUMBERS)
        if chance.random() < 0.05:
            command_offset = chance.choice(_NUMBERS)
        if chance.random() < 0.03:
            key = chance.choice((b"", key.upper(), key.replace(b"-", b""), b"{" + key + b"}", key + b" ", b"\xff"))
        headers = [("ce_specversion", b"1.0"), ("place", place), ("command_offset", command_offset)]
        if chance.random() < 0.03:
            headers.pop(chance.randrange(3))
        if chance.random() < 0.02:
            headers.insert(chance.randrange(3), (chance.choice(("place", "command_offset")), chance.choice(_NUMBERS)))
        return Message("record", value, key, offset, tuple(headers))


_NUMBERS: tuple[bytes | None, ...] = (
    *(b"%d" % (2**power + more) for power in (31, 32, 53, 63, 64) for more in (-1, 0, 1)),
    *(None, b"", b"-1", b"+1", b" 1", b"1 ", b"1.0", b"1e3", b"007", b"0" * 19, b"0" * 20, b"9" * 18, b"9" * 19, b"9" * 20, b"9" * 5000),
    *("٣".encode(), "²".encode(), b"0x10", b"1_000", b"\xff", b"nan"),
)
