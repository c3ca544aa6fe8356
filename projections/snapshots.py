"""One view of the live read models: rows, checkpoints and the log they come from, all of the same moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import AsyncConnection

from event_schemas.positions import LogIdentity, Position
from projections.checkpoints import read_checkpoints
from projections.generations import live_generation
from projections.tables import FOLD_VERSION


class Rebuilding(Exception):
    """There is no generation that this release can read; the text says what is there."""


class ForeignPosition(ValueError):
    """The position belongs to another log than the read models."""


class LogEnd(Protocol):
    """What reading needs of `infra.log_tail.LogTail`."""

    @property
    def identity(self) -> LogIdentity:
        """The log that is read now."""
        ...

    def lag_seconds(self, next_offsets: Mapping[int, int]) -> float:
        """Age in seconds of the oldest record that is not applied at these checkpoints, 0.0 if there is none."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """A read-only transaction on the live generation, and how much of which log it holds."""

    connection: AsyncConnection[Any]
    schema: str
    next_offsets: Mapping[int, int]
    identity: LogIdentity

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
    """Look at the live generation, inside the caller's transaction. Raises Rebuilding when there is none to read."""
    live = await live_generation(connection)
    if live is None:
        raise Rebuilding("the read models have not been made yet: the projections make them when they start")
    if live.fold_version != FOLD_VERSION:
        raise Rebuilding(f"the live read models are of fold version {live.fold_version}, this release reads version {FOLD_VERSION}")
    checkpoints = await read_checkpoints(connection, live.schema)
    firsts = {checkpoint.partition: checkpoint.first_record for checkpoint in checkpoints if checkpoint.first_record is not None}
    return Snapshot(
        connection,
        live.schema,
        {checkpoint.partition: checkpoint.next_offset for checkpoint in checkpoints},
        LogIdentity(live.partitions, firsts),
    )
