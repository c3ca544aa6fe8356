"""Rows, checkpoints and parked records that are not what the log says.

Rows are found by PostgreSQL itself, which compares them column by column with those it is handed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection, sql

from event_schemas.recorded import RecordedMessage, classify
from infra.event_log.reader import read_range
from infra.postgres.binary_arrays import execute
from infra.postgres.table_definition import Key, RowT, TableDefinition
from infra.postgres.table_sql import key_of_row, row_arrays, unnested
from projections.store.checkpoints import Checkpoint
from projections.store.parked import Parked

_AT_ONCE = 5_000
_BY_TEXT = ("numeric", "jsonb")
"""Types of which PostgreSQL calls values equal that it prints differently: 9.0 and 9.00."""

Kind = Literal["changed", "missing", "extra"]
TextKey = tuple[str, ...]
Watch = Callable[[int, int], None]
"""Told how many records of how many have been folded."""

_PARKED_FIELDS = ("order_id", "state", "appended_ms", "command_offset", "value")


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


@dataclass
class Findings:
    """What a verification found. `ends`: per partition, the offset up to which it looked."""

    schema: str
    drifts: list[Drift] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    records: int = 0
    parked_orders: int = 0


def text_key(key: Key) -> TextKey:
    """A key as PostgreSQL prints it: ids, numbers, texts and days."""
    return tuple(map(str, key))


async def drifted_rows(
    connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, expected: Sequence[RowT], partition: int
) -> list[Drift]:
    """The rows among these that are missing or hold something else."""
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


async def sound_end(  # noqa: PLR0913, PLR0917 - a checkpoint, and what it is held against
    eye: AsyncConnection[Any], reader: AIOKafkaConsumer, schema: str, partition: int, checkpoint: Checkpoint | None, log_end: int
) -> int:
    """The offset up to which this partition's rows were folded: the checkpoint's, unless its own last record contradicts it."""
    if checkpoint is None:
        return min(log_end, await _end_of_rows(eye, schema, partition))
    claimed, last = min(checkpoint.next_offset, log_end), checkpoint.last_record_offset
    if last is None or last >= log_end:
        return claimed
    stands = await _counting(reader, partition, last, last + 1)
    if not stands or stands[0].record.id != checkpoint.last_record_id:
        return claimed
    if claimed <= last:
        return last + 1
    beyond = await _counting(reader, partition, last + 1, claimed)
    return last + 1 if beyond and not await _is_folded(eye, schema, beyond[0]) else claimed


async def _counting(reader: AIOKafkaConsumer, partition: int, start: int, end: int) -> list[RecordedMessage]:
    verdicts = [classify(record) async for records in read_range(reader, partition, start, end) for record in records]
    return [verdict for verdict in verdicts if isinstance(verdict, RecordedMessage)]


async def _is_folded(eye: AsyncConnection[Any], schema: str, counted: RecordedMessage) -> bool:
    """Whether any row shows that this record was folded."""
    statement = sql.SQL(
        "select exists (select from {}.order_history where order_id = %s and record_offset = %s) "
        "or exists (select from {}.command_outcomes where command_id = %s)"
    ).format(sql.Identifier(schema), sql.Identifier(schema))
    found = await eye.execute(statement, (counted.record.order_id, counted.offset, counted.record.command_id))
    return await found.fetchone() == (True,)


async def _end_of_rows(eye: AsyncConnection[Any], schema: str, partition: int) -> int:
    statement = sql.SQL("select coalesce(max(record_offset) + 1, 0) from {}.order_history where partition = %s")
    row = await (await eye.execute(statement.format(sql.Identifier(schema)), (partition,))).fetchone()
    return int(row[0]) if row else 0


def checkpoint_drift(there: Checkpoint | None, should: Checkpoint) -> Drift | None:
    """What is wrong with a checkpoint; None when it is right."""
    key = (str(should.partition),)
    if there is None:
        return Drift("checkpoints", "missing", key, (), should.partition, (should.partition,), should)
    changed = [
        Field(name, _text(getattr(there, name)), _text(getattr(should, name)))
        for name in Checkpoint.__slots__
        if getattr(there, name) != getattr(should, name)
    ]
    return Drift("checkpoints", "changed", key, changed, should.partition, (should.partition,), should) if changed else None


def _text(value: object) -> str | None:
    return value.hex() if isinstance(value, bytes) else None if value is None else str(value)


def parked_drift(kept: Sequence[Parked], expected: Sequence[Parked]) -> list[Drift]:
    """Parked records that are missing, that no record of the log explains, or that were changed."""
    there = {_place(one): one for one in kept if one.state != "discarded"}
    should = {_place(one): one for one in expected}
    drifts = []
    for place in sorted(there.keys() | should.keys()):
        old, new = there.get(place), should.get(place)
        key = tuple(map(str, place))
        if old is None or new is None:
            drifts.append(Drift("parked", "extra" if new is None else "missing", key, (), place[1], place, new))
        elif changed := [name for name in _PARKED_FIELDS if getattr(old, name) != getattr(new, name)]:
            drifts.append(Drift("parked", "changed", key, [_field(name, old, new) for name in changed], place[1], place, new))
    return drifts


def _place(parked: Parked) -> tuple[str, int, int]:
    return parked.table_name, parked.partition, parked.record_offset


def _field(name: str, old: Parked, new: Parked) -> Field:
    return Field(name, str(getattr(old, name)), str(getattr(new, name)))
