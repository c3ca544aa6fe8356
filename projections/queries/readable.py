"""Which generation a release reads: the live one, or, while the live one is of other folds, rows that it can still read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from projections.store.checkpoints import Checkpoint, read_checkpoints
from projections.store.generations import Generation, all_generations, live_generation
from projections.store.missing_step import foreign_folds
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
    """Rows of this release's folds that were live before, and live rows of earlier folds. What later folds mean is not known here."""
    own = [one for one in known if (one.fold_version, one.partitions, one.state) == (FOLD_VERSION, live.partitions, "retired")]
    return [*own, *([live] if live.fold_version < FOLD_VERSION else [])]


def _of_one_log(these: Sequence[Checkpoint], others: Sequence[Checkpoint]) -> bool:
    """Whether what both hold comes from the same log: a log that was replaced begins with other records."""
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
