"""One view of the read models: which generation this release reads, its rows, its checkpoints and its log, all of the same moment.

The live generation is read or, while the live one is of other folds, rows that this release can still read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, Protocol

from psycopg import AsyncConnection, sql

from event_schemas.positions import LogIdentity, Position
from infra.postgres.table_definition import TableDefinition
from projections.store.checkpoints import Checkpoint, read_checkpoints
from projections.store.generations import Generation, all_generations, foreign_folds, live_generation
from projections.tables.registry import FOLD_VERSION, TABLES

# A table of other folds can be read when it has each column that this release's table has, of the same type.
_UNREADABLE = """
select distinct wanted.table_name
from unnest(%s::text[], %s::text[], %s::text[]) as wanted (table_name, column_name, kind)
left join pg_attribute as found
    on found.attrelid = to_regclass(quote_ident(%s) || '.' || quote_ident(wanted.table_name))
    and found.attname = wanted.column_name and found.atttypid = to_regtype(wanted.kind)::oid and not found.attisdropped
where found.attname is null
"""
_WANTED = [list(column) for column in zip(*((t.name, name, kind) for t in TABLES for name, kind in t.columns.items()), strict=True)]


class Rebuilding(Exception):
    """There is no generation that this release can read; the text says what is there, and which step is missing."""


@dataclass(frozen=True)
class Readable:
    """A generation that this release reads, with its checkpoints.

    `unreadable`: the tables that lack a column that this release reads. `foreign`: None when the generation is the live one and
    of this release's folds, else why it is read all the same, and which step is missing.
    """

    generation: Generation
    checkpoints: Sequence[Checkpoint]
    unreadable: frozenset[str] = frozenset()
    foreign: str | None = None


async def readable_generation(connection: AsyncConnection[Any]) -> Readable:
    """The generation to read, inside the caller's transaction. Raises Rebuilding when there is none."""
    live = await live_generation(connection)
    if live is None:
        raise Rebuilding("the read models have not been made yet: the projections make them when they start")
    if live.fold_version == FOLD_VERSION:
        return Readable(live, await read_checkpoints(connection, live.schema))
    known = await all_generations(connection)
    foreign = foreign_folds(live, known, fold_version=FOLD_VERSION)
    log = await read_checkpoints(connection, live.schema)
    candidates = []
    for generation in _candidates(live, known):
        checkpoints = log if generation == live else await read_checkpoints(connection, generation.schema)
        if _of_one_log(checkpoints, log):
            candidates.append(Readable(generation, checkpoints, await _unreadable(connection, generation), foreign))
    if not candidates:
        raise Rebuilding(foreign)
    return max(candidates, key=_applied)


def _candidates(live: Generation, known: Sequence[Generation]) -> list[Generation]:
    """Rows of this release's folds that were live before, and live rows of earlier folds. Rows of later folds can't be understood here."""
    own = [one for one in known if (one.fold_version, one.partitions, one.state) == (FOLD_VERSION, live.partitions, "retired")]
    return [*own, *([live] if live.fold_version < FOLD_VERSION else [])]


def _of_one_log(these: Sequence[Checkpoint], others: Sequence[Checkpoint]) -> bool:
    """Whether what both hold comes from the same log. A log that was replaced begins with other records."""
    first = {checkpoint.partition: checkpoint.first_record for checkpoint in others}
    known = [(one.first_record, first.get(one.partition)) for one in these]
    return all(mine == theirs for mine, theirs in known if mine is not None and theirs is not None)


def _applied(readable: Readable) -> int:
    return sum(checkpoint.next_offset for checkpoint in readable.checkpoints)


async def _unreadable(connection: AsyncConnection[Any], generation: Generation) -> frozenset[str]:
    if generation.fold_version == FOLD_VERSION:
        return frozenset()
    found = await connection.execute(_UNREADABLE, (*_WANTED, generation.schema))
    return frozenset(name for (name,) in await found.fetchall())


class ForeignPosition(ValueError):
    """The position belongs to another log than the read models."""


class LogEnd(Protocol):
    """What reading needs of `infra.event_log.tail.LogTail`."""

    @property
    def identity(self) -> LogIdentity:
        """The log that is read now."""
        ...

    async def lag_seconds(self, next_offsets: Mapping[int, int]) -> float | None:
        """Age in seconds of the oldest record that is not applied at these checkpoints, 0.0 if there is none, None if unknown."""
        ...


@dataclass(frozen=True)
class ReadSnapshot:
    """A read-only transaction on the generation that is read, and how much of which log it holds.

    `unreadable`: tables that lack a column that this release reads. `foreign`: why a generation of other folds, or one that is not
    live, is read, and which step is missing; None for the live one.
    """

    connection: AsyncConnection[Any]
    schema: str
    next_offsets: Mapping[int, int]
    identity: LogIdentity
    unreadable: frozenset[str] = frozenset()
    foreign: str | None = None

    def on(self, statement: LiteralString, table: TableDefinition[Any], **parts: sql.Composable) -> sql.Composed:
        """A statement on one table: `{table}` stands for its name, `{columns}` for the columns of this release, others for `parts`.

        Raises Rebuilding when the table lacks one of them.
        """
        if table.name in self.unreadable:
            raise Rebuilding(f"{table.name} lacks columns that this release reads: {self.foreign}")
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        return sql.SQL(statement).format(table=sql.Identifier(self.schema, table.name), columns=columns, **parts)

    @property
    def position(self) -> Position:
        """Everything that this snapshot holds."""
        return Position.of(self.identity, self.next_offsets)

    def token_after(self, partition: int, offset: int) -> str:
        """The position of one record that this snapshot holds."""
        return Position.of(self.identity, {partition: offset + 1}).token()

    def holds(self, wanted: Position, log: LogIdentity) -> bool:
        """Whether everything up to that position is applied. Raises ForeignPosition when it belongs to another log.

        `log`: the log's own identity, for partitions of which the read models have seen nothing yet.
        """
        known = LogIdentity(self.identity.partitions, {**log.first, **self.identity.first})
        begun = {partition for partition, offset in wanted.next_offsets.items() if offset > 0}
        if wanted.partitions != known.partitions or (begun <= known.first.keys() and not wanted.belongs_to(known)):
            raise ForeignPosition("is a position in another event log")
        return all(self.next_offsets.get(partition, 0) >= offset for partition, offset in wanted.next_offsets.items())


async def open_snapshot(connection: AsyncConnection[Any]) -> ReadSnapshot:
    """Look at the read models, inside the caller's transaction. Raises Rebuilding when there are none that this release can read."""
    readable = await readable_generation(connection)
    checkpoints = readable.checkpoints
    firsts = {checkpoint.partition: checkpoint.first_record for checkpoint in checkpoints if checkpoint.first_record is not None}
    return ReadSnapshot(
        connection,
        readable.generation.schema,
        {checkpoint.partition: checkpoint.next_offset for checkpoint in checkpoints},
        LogIdentity(readable.generation.partitions, firsts),
        readable.unreadable,
        readable.foreign,
    )
