"""Rows that are not what the log says: found by PostgreSQL itself, which compares them column by column with those it is handed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from psycopg import AsyncConnection, sql

from infra.postgres.binary_arrays import execute
from infra.postgres.table_definition import Key, RowT, TableDefinition
from infra.postgres.table_sql import key_of_row, row_arrays, unnested

_AT_ONCE = 5_000
_BY_TEXT = ("numeric", "jsonb")
"""Types of which PostgreSQL calls values equal that it prints differently: 9.0 and 9.00."""

Kind = Literal["changed", "missing", "extra"]
TextKey = tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """A column: what the row holds there, and what it should. None: null."""

    name: str
    there: str | None
    should: str | None


@dataclass(frozen=True)
class Drift:
    """A row that is not what the log says. `expected`: as it should be, None when there should be none."""

    table: str
    kind: Kind
    key: TextKey
    fields: Sequence[Field] = ()
    partition: int = -1
    row_key: Key | None = field(default=None, compare=False)
    expected: Any = field(default=None, compare=False)


def text_key(key: Key) -> TextKey:
    """A key as PostgreSQL prints it: ids, numbers, texts and days."""
    return tuple(map(str, key))


async def drifted_rows(
    connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, expected: Sequence[RowT], partition: int
) -> list[Drift]:
    """Those of these rows that are missing or hold something else."""
    found: list[Drift] = []
    for start in range(0, len(expected), _AT_ONCE):
        piece = expected[start : start + _AT_ONCE]
        cursor = await execute(connection, _comparing(definition, schema), row_arrays(definition, piece))
        for number, exists, there, should in await cursor.fetchall():
            row = piece[number - 1]
            key = key_of_row(definition, row)
            pairs = zip(definition.columns, there, should, strict=True)
            fields = [Field(name, old, new) for name, old, new in pairs if old != new] if exists else []
            kind: Kind = "changed" if exists else "missing"
            found.append(Drift(definition.name, kind, text_key(key), fields, partition, key, row))
    return found


@lru_cache(maxsize=64)
def _comparing(definition: TableDefinition[Any], schema: str) -> bytes:
    names = list(definition.columns)
    return (
        sql.SQL(
            "select should.n, there.found is true, array[{there}], array[{should}] "
            "from unnest({unnested}) with ordinality as should ({names}, n) "
            "left join (select true as found, * from {table}) as there on {same_key} where there.found is null or {differs}"
        )
        .format(
            there=_texts("there", names),
            should=_texts("should", names),
            unnested=unnested(definition.columns.values()),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            table=sql.Identifier(schema, definition.name),
            same_key=sql.SQL(" and ").join(sql.SQL("there.{0} = should.{0}").format(sql.Identifier(name)) for name in definition.key),
            differs=sql.SQL(" or ").join(
                sql.SQL("there.{0}{1} is distinct from should.{0}{1}").format(
                    sql.Identifier(name), sql.SQL("::text" if kind in _BY_TEXT else "")
                )
                for name, kind in definition.columns.items()
            ),
        )
        .as_bytes(None)
    )


def _texts(side: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(side, name)) for name in names)


async def partition_counts(connection: AsyncConnection[Any], definition: TableDefinition[Any], schema: str) -> Mapping[int, int]:
    """How many rows say that they are of each partition."""
    table = sql.Identifier(schema, definition.name)
    cursor = await connection.execute(sql.SQL("select partition, count(*) from {} group by partition").format(table))
    return {partition: count for partition, count in await cursor.fetchall() if partition is not None}


async def keys_where(
    connection: AsyncConnection[Any], definition: TableDefinition[Any], schema: str, column: str, values: Sequence[Any]
) -> list[TextKey]:
    """The keys of all rows that hold one of these values in that column."""
    statement = sql.SQL("select array[{}] from {} where {} = any(%s)").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in definition.key),
        sql.Identifier(schema, definition.name),
        sql.Identifier(column),
    )
    return [tuple(key) for (key,) in await (await connection.execute(statement, (list(values),))).fetchall()]


async def delete_by_text(connection: AsyncConnection[Any], definition: TableDefinition[Any], schema: str, key: TextKey) -> None:
    """Take out a row that may hold what no fold can give, such as a day of infinity."""
    same = sql.SQL(" and ").join(sql.SQL("{}::text = %s").format(sql.Identifier(name)) for name in definition.key)
    await connection.execute(sql.SQL("delete from {} where {}").format(sql.Identifier(schema, definition.name), same), key)
