"""Whether two generations hold the same rows: counts and checksums of every table, computed by PostgreSQL, in one snapshot.

A checksum adds up two 64-bit hashes of each row's text, so that the order of rows does not matter and no two rows cancel out.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql

from infra.postgres.binary_arrays import execute
from infra.postgres.table_definition import Key
from infra.postgres.table_sql import key_arrays, unnested
from projections.tables.registry import TABLES

SAMPLES = 5

_SUMS = sql.SQL("select count(*), coalesce(sum(hashtextextended(r, 0)), 0)::text, coalesce(sum(hashtextextended(r, 1)), 0)::text from {}")
_COLUMNS = "select column_name from information_schema.columns where table_schema = %s and table_name = %s order by ordinal_position"


@dataclass(frozen=True)
class Compared:
    """A table in a generation: its columns and key, as it is compared."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A row that is not the same in both; None where it is missing. Rows as PostgreSQL prints them."""

    live: str | None
    new: str | None


@dataclass(frozen=True)
class TableComparison:
    """A table in the live generation and in the new one."""

    table: str
    live_rows: int
    new_rows: int
    equal: bool
    note: str | None = None
    samples: Sequence[Difference] = ()


COMPARED = (
    *(Compared(table.name, tuple(table.columns), table.key) for table in TABLES),
    Compared("checkpoints", ("partition", "next_offset", "last_record_offset", "last_record_id", "first_record"), ("partition",)),
    Compared("parked", ("table_name", "partition", "record_offset", "order_id", "state"), ("table_name", "partition", "record_offset")),
)


async def compare_generations(connection: AsyncConnection[Any], live: str, new: str) -> list[TableComparison]:
    """Compare all tables in the caller's snapshot, which should see both at equal checkpoints.

    Columns that only one of them has are told and left out; a table that only one has is a difference.
    """
    return [await _compare(connection, table, live, new) for table in COMPARED]


async def _compare(connection: AsyncConnection[Any], table: Compared, live: str, new: str) -> TableComparison:
    there, here = await _columns(connection, live, table.name), await _columns(connection, new, table.name)
    if not there or not here or not set(table.key) <= set(there):
        return TableComparison(table.name, 0, 0, equal=False, note=f"only {new if here else live} has this table, or its key is another")
    common = [name for name in table.columns if name in there]
    only = sorted(set(there) ^ set(here))
    live_sums = await _sums(connection, live, table.name, common)
    new_sums = await _sums(connection, new, table.name, common)
    same_rows = live_sums == new_sums
    note = f"columns that only one of them has: {', '.join(only)}" if only else None
    samples = () if same_rows else await _samples(connection, table, common, live, new)
    return TableComparison(table.name, live_sums[0], new_sums[0], equal=same_rows and not only, note=note, samples=samples)


async def _columns(connection: AsyncConnection[Any], schema: str, table: str) -> list[str]:
    return [name for (name,) in await (await connection.execute(_COLUMNS, (schema, table))).fetchall()]


def _rows(schema: str, table: str, columns: Sequence[str], key: Sequence[str] = ()) -> sql.Composed:
    row = sql.SQL(", ").join(map(sql.Identifier, columns))
    keys = sql.SQL("").join(sql.SQL("{}, ").format(sql.Identifier(name)) for name in key)
    return sql.SQL("(select {}row({})::text as r from {})").format(keys, row, sql.Identifier(schema, table))


async def _sums(connection: AsyncConnection[Any], schema: str, table: str, columns: Sequence[str]) -> tuple[int, str, str]:
    statement = _SUMS.format(sql.SQL("{} as rows").format(_rows(schema, table, columns)))
    found = await (await connection.execute(statement)).fetchone()
    assert found is not None
    return found[0], found[1], found[2]


async def _samples(
    connection: AsyncConnection[Any], table: Compared, columns: Sequence[str], live: str, new: str
) -> tuple[Difference, ...]:
    statement = sql.SQL(
        "select live.r, new.r from {} as live full join {} as new using ({}) where live.r is distinct from new.r limit {}"
    ).format(
        *(_rows(schema, table.name, columns, table.key) for schema in (live, new)),
        sql.SQL(", ").join(map(sql.Identifier, table.key)),
        sql.Literal(SAMPLES),
    )
    return tuple(Difference(*row) for row in await (await connection.execute(statement)).fetchall())


async def compare_rows(connection: AsyncConnection[Any], live: str, new: str, touched: Mapping[str, Set[Key]]) -> list[TableComparison]:
    """Compare only these rows, by table and key; the tables that differ."""
    found = []
    for table in TABLES:
        keys = sorted(touched.get(table.name, ()), key=repr)
        if not keys:
            continue
        columns, key = list(table.columns), sql.SQL(", ").join(map(sql.Identifier, table.key))
        statement = sql.SQL(
            "select live.r, new.r from unnest({}) as wanted ({}) left join {} as live using ({}) left join {} as new using ({}) "
            "where live.r is distinct from new.r limit {}"
        ).format(
            *(
                unnested(table.columns[name] for name in table.key),
                key,
                _rows(live, table.name, columns, table.key),
                key,
                _rows(new, table.name, columns, table.key),
                key,
            ),
            sql.Literal(SAMPLES),
        )
        rows = await (await execute(connection, statement.as_bytes(None), key_arrays(table, keys))).fetchall()
        if rows:
            samples = tuple(Difference(*row) for row in rows)
            found.append(TableComparison(table.name, len(keys), len(keys), equal=False, note="in rows changed last", samples=samples))
    return found
