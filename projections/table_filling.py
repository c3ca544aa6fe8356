"""One table of a generation that is being filled: folded in memory, written in large pieces."""

from collections.abc import Collection, Container, Sequence
from typing import Any, Generic
from uuid import UUID

from psycopg import AsyncConnection

from infra.gate import Counted
from infra.table_copy import CopyBuffer, copy_rows
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

    def __init__(
        self, connection: AsyncConnection[Any], definition: TableDefinition[RowT], schema: str, *, empty: bool, bare: bool
    ) -> None:
        self._connection, self._definition, self._schema = connection, definition, schema
        self._only_added = definition.one_record_a_row and bare
        self._all_known = empty
        self._rows: dict[Key, RowT] = {}
        self._stored: set[Key] = set()
        """Those of the rows that the table holds, as they were when they were last written."""
        self._touched: dict[Key, None] = {}
        self._added = CopyBuffer(connection, definition)

    @property
    def name(self) -> str:
        """The table's."""
        return self._definition.name

    async def fold(self, records: Sequence[Counted], *, held: Collection[UUID], discarded: Container[int]) -> Sequence[Refused]:
        """Fold records that continue what the table holds; returns those that the fold can't take."""
        if self._only_added and not held:
            # Nothing is looked up and nothing is overwritten: no key is needed.
            rows = fold_each(self._definition, records)
            if rows is not None:
                self._added.add(rows)
                return ()
        touching = keyed(self._definition, records)
        if self._definition.one_record_a_row:
            put = self._add if self._only_added else self._put
            return fold(self._definition, touching, get=_nothing, put=put, held=held, discarded=discarded)
        if not self._all_known:
            touched = {key: None for key, _, _ in touching if key is not None}
            found = await load_rows(self._connection, self._definition, self._schema, [key for key in touched if key not in self._rows])
            self._rows.update(found)
            self._stored.update(key for key, _ in found)
        return fold(self._definition, touching, get=self._rows.get, put=self._put, held=held, discarded=discarded)

    def _put(self, key: Key, row: RowT) -> None:
        self._rows[key] = row
        self._touched[key] = None

    def _add(self, _: Key, row: RowT) -> None:
        self._added.add([row])

    async def write(self) -> None:
        """Write what has changed, inside the caller's transaction."""
        await self._added.write(self._schema)
        new: list[RowT] = []
        known: list[RowT] = []
        for key in self._touched:
            # A row of one record may be there already, from a run that was cut off: it is written by its key.
            (known if self._definition.one_record_a_row or key in self._stored else new).append(self._rows[key])
        if new:
            await copy_rows(self._connection, self._definition, self._schema, new)
        for start in range(0, len(known), _SAVED_AT_ONCE):
            await save_rows(self._connection, self._definition, self._schema, known[start : start + _SAVED_AT_ONCE])

    def written(self) -> None:
        """What was written is committed."""
        self._stored.update(self._touched)
        self._touched.clear()
        self._added.clear()
        if self._definition.one_record_a_row or len(self._rows) > MAX_ROWS:
            self._rows.clear()
            self._stored.clear()
            self._all_known = False


def _nothing(_: Key) -> None:
    return None
