"""Arrays of one column's values in PostgreSQL's binary format, made column by column instead of value by value.

A statement takes a whole piece of rows as one array per column. psycopg asks Python for each value of an array; here compiled
functions run down the column, which costs about a tenth.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, repeat
from operator import attrgetter, floordiv, methodcaller, sub
from typing import Any

import orjson
import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD = struct.Struct("!iiIii")
"""Dimensions, whether there are nulls, the element's type, how many there are, and the first one's number."""
_LENGTH = struct.Struct("!i").pack
_NULL = _LENGTH(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(2000, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)

Encode = Callable[[Iterable[Any]], Iterable[bytes]]
"""Values of a column, none of them None, to the bytes that PostgreSQL stores of each."""


def _uuids(values: Iterable[Any]) -> Iterable[bytes]:
    return map(int.to_bytes, map(attrgetter("int"), values), repeat(16))


def _integers(values: Iterable[Any]) -> Iterable[bytes]:
    return map(struct.Struct("!i").pack, values)


def _bigints(values: Iterable[Any]) -> Iterable[bytes]:
    return map(struct.Struct("!q").pack, values)


def _texts(values: Iterable[Any]) -> Iterable[bytes]:
    return map(str.encode, values)


def _times(values: Iterable[Any]) -> Iterable[bytes]:
    return _bigints(map(floordiv, map(sub, values, repeat(_EPOCH)), repeat(_MICROSECOND)))


def _days(values: Iterable[Any]) -> Iterable[bytes]:
    return _integers(map(sub, map(methodcaller("toordinal"), values), repeat(_FIRST_DAY)))


def _amounts(values: Iterable[Any]) -> Iterable[bytes]:
    # Numbers go as text, which PostgreSQL turns into its own numbers: their binary form is digits in base 10,000.
    return _texts(map(format, values, repeat("f")))


def _documents(values: Iterable[Any]) -> Iterable[bytes]:
    return map(orjson.dumps, values)


_KINDS: Mapping[str, tuple[str, Encode]] = {
    "uuid": ("uuid", _uuids),
    "integer": ("int4", _integers),
    "bigint": ("int8", _bigints),
    "text": ("text", _texts),
    "timestamptz": ("timestamptz", _times),
    "date": ("date", _days),
    "numeric": ("text", _amounts),
    "jsonb": ("text", _documents),
}
"""By the column's SQL type: the type that is sent, and how. A statement casts what is sent as text (`table_sql.unnested`)."""
_OIDS = {sent: psycopg.adapters.types.get_oid(sent) for sent, _ in _KINDS.values()}
SENT_AS_TEXT = frozenset(kind for kind, (sent, _) in _KINDS.items() if sent == "text" and kind != "text")


class ColumnArray(bytes):
    """An array that is ready to be sent; the statement's cast says which type it has."""


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: ColumnArray) -> bytes:
        return obj


async def execute(
    connection: AsyncConnection[Any], statement: bytes, arrays: Sequence[ColumnArray], *, binary: bool = False
) -> AsyncCursor[Any]:
    """Run a statement that takes arrays as its parameters. `binary`: how its rows come back. Raises psycopg's errors."""
    connection.adapters.register_dumper(ColumnArray, _ArrayDumper)
    return await connection.execute(statement, arrays, binary=binary)


def column_array(kind: str, values: Sequence[Any]) -> ColumnArray:
    """The array of these values of a column of this SQL type. None is null.

    Raises ValueError, TypeError or struct.error for a value that the type can't hold.
    """
    sent, encode = _KINDS[kind]
    there = [value for value in values if value is not None]
    encoded = list(encode(there))
    elements = list(chain.from_iterable(zip(map(_LENGTH, map(len, encoded)), encoded, strict=True)))
    nulls = len(values) - len(there)
    if nulls:
        elements = _with_nulls(values, elements)
    head = _HEAD.pack(1, 1 if nulls else 0, _OIDS[sent], len(values), 1) if values else struct.pack("!iiI", 0, 0, _OIDS[sent])
    return ColumnArray(head + b"".join(elements))


def _with_nulls(values: Sequence[Any], elements: Sequence[bytes]) -> list[bytes]:
    rest = iter(elements)
    found = []
    for value in values:
        found += [_NULL] if value is None else [next(rest), next(rest)]
    return found
