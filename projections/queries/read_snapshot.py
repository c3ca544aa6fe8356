"""One view of the read models: rows, checkpoints and the log they come from, all of the same moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, Protocol

from psycopg import AsyncConnection, sql

from event_schemas.positions import LogIdentity, Position
from infra.postgres.table_definition import TableDefinition
from projections.queries.readable import Rebuilding, readable_generation


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
class Snapshot:
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


async def open_snapshot(connection: AsyncConnection[Any]) -> Snapshot:
    """Look at the read models, inside the caller's transaction. Raises Rebuilding when there are none that this release can read."""
    readable = await readable_generation(connection)
    checkpoints = readable.checkpoints
    firsts = {checkpoint.partition: checkpoint.first_record for checkpoint in checkpoints if checkpoint.first_record is not None}
    return Snapshot(
        connection,
        readable.generation.schema,
        {checkpoint.partition: checkpoint.next_offset for checkpoint in checkpoints},
        LogIdentity(readable.generation.partitions, firsts),
        readable.unreadable,
        readable.foreign,
    )
