"""One table of a generation that is being filled: folded in memory, written in large pieces."""

from collections.abc import Collection, Container, Sequence
from typing import Any, Generic
from uuid import UUID

from psycopg import AsyncConnection

from infra.gate import Counted
from infra.table_copy import copy_rows
from infra.table_definition import Key, RowT, TableDefinition
from infra.table_fold import Refused, fold, fold_each, keyed
from infra.table_rows import load_rows, save_rows

MAX_ROWS = 150_000
"""Most rows of one table that are kept in memory, about 1 kB each; beyond it, rows are loaded again when they are touched."""
_SAVED_AT_ONCE = 5_000


class TableFilling(Generic[RowT]):
    """The rows that one partition's records touch, until they are written.

    Rows that were never written go in by COPY, others by their key. `empty`: the table holds nothing of the partition, so
    that nothing need be looked for. `bare`: it has no index on rows that are written once.
    """

    def __init__(self, definition: TableDefinition[RowT], schema: str, *, empty: bool, bare: bool) -> None:
        self._definition, self._schema, self._bare = definition, schema, bare
        self._all_known = empty
        self._rows: dict[Key, RowT] = {}
        self._stored: set[Key] = set()
        self._changed: dict[Key, RowT] = {}
        self._added: list[RowT] = []

    @property
    def name(self) -> str:
        """The table's."""
        return self._definition.name

    async def fold(
        self, connection: AsyncConnection[Any], records: Sequence[Counted], *, held: Collection[UUID], discarded: Container[int]
    ) -> Sequence[Refused]:
        """Fold records that continue what the table holds; returns those that the fold can't take."""
        if self._definition.one_record_a_row and self._bare and not held:
            # Nothing is looked up and nothing is overwritten: no key is needed.
            rows = fold_each(self._definition, records)
            if rows is not None:
                self._added += rows
                return ()
        touching = keyed(self._definition, records)
        if self._definition.one_record_a_row:
            put = self._add if self._bare else self._changed.__setitem__
            return fold(self._definition, touching, get=_nothing, put=put, held=held, discarded=discarded)
        if not self._all_known:
            touched = {key: None for key, _, _ in touching if key is not None}
            unknown = [key for key in touched if self._known(key) is None]
            found = await load_rows(connection, self._definition, self._schema, unknown)
            self._rows.update(found)
            self._stored.update(key for key, _ in found)
        return fold(self._definition, touching, get=self._known, put=self._changed.__setitem__, held=held, discarded=discarded)

    def _known(self, key: Key) -> RowT | None:
        row = self._changed.get(key)
        return self._rows.get(key) if row is None else row

    def _add(self, _: Key, row: RowT) -> None:
        self._added.append(row)

    async def write(self, connection: AsyncConnection[Any]) -> None:
        """Write what has changed, inside the caller's transaction."""
        if self._definition.one_record_a_row:
            new, known = self._added, list(self._changed.values())
        else:
            new = [row for key, row in self._changed.items() if key not in self._stored]
            known = [row for key, row in self._changed.items() if key in self._stored]
        if new:
            await copy_rows(connection, self._definition, self._schema, new)
        for start in range(0, len(known), _SAVED_AT_ONCE):
            await save_rows(connection, self._definition, self._schema, known[start : start + _SAVED_AT_ONCE])

    def written(self) -> None:
        """What was written is committed."""
        if not self._definition.one_record_a_row:
            self._rows.update(self._changed)
            self._stored.update(self._changed)
        self._changed.clear()
        self._added.clear()
        if len(self._rows) > MAX_ROWS:
            self._rows.clear()
            self._stored.clear()
            self._all_known = False


def _nothing(_: Key) -> None:
    return None
