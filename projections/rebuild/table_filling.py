"""One table of a generation that is being filled: folded in memory, written in large pieces."""

from collections.abc import Collection, Container, Sequence
from typing import Any, Generic
from uuid import UUID

from psycopg import AsyncConnection

from event_schemas.recorded import RecordedMessage
from infra.postgres.table_copy import CopyBuffer, copy_rows
from infra.postgres.table_definition import Key, RowT, TableDefinition
from infra.postgres.table_fold import Refused, fold, fold_each, keyed
from infra.postgres.table_sql import load_rows, save_rows

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
        self._changed: dict[Key, RowT] = {}
        """Rows as the table is to have them."""
        self._stored: dict[Key, RowT] = {}
        """Rows as the table has them, as far as they are known."""
        self._added = CopyBuffer(connection, definition)

    @property
    def name(self) -> str:
        """The table's name."""
        return self._definition.name

    async def fold(self, records: Sequence[RecordedMessage], *, held: Collection[UUID], discarded: Container[int]) -> Sequence[Refused]:
        """Fold records that continue what the table holds; returns those that the fold can't take."""
        if self._only_added and not held:
            # Nothing is looked up and nothing is overwritten: no key is needed.
            rows = fold_each(self._definition, records)
            if rows is not None:
                self._added.add(rows)
                return ()
        touching = keyed(self._definition, records)
        if self._definition.one_record_a_row:
            put = self._add if self._only_added else self._changed.__setitem__
            return fold(self._definition, touching, get=_nothing, put=put, held=held, discarded=discarded)
        changed, stored = self._changed, self._stored
        if not self._all_known:
            wanted = {key: None for key, _, _ in touching if key is not None}
            unknown = [key for key in wanted if key not in changed and key not in stored]
            stored.update(await load_rows(self._connection, self._definition, self._schema, unknown))
        get = changed.get if not stored else self._row
        return fold(self._definition, touching, get=get, put=changed.__setitem__, held=held, discarded=discarded)

    def _row(self, key: Key) -> RowT | None:
        return self._changed.get(key) or self._stored.get(key)

    def _add(self, _: Key, row: RowT) -> None:
        self._added.add([row])

    async def write(self) -> None:
        """Write what has changed, inside the caller's transaction."""
        await self._added.write(self._schema)
        # A row of one record may be there already, from a run that was cut off: it is written by its key.
        stored: Container[Key] = self._changed if self._definition.one_record_a_row else self._stored
        new: list[RowT] = []
        known: list[RowT] = []
        for key, row in self._changed.items():
            (known if key in stored else new).append(row)
        if new:
            await copy_rows(self._connection, self._definition, self._schema, new)
        for start in range(0, len(known), _SAVED_AT_ONCE):
            await save_rows(self._connection, self._definition, self._schema, known[start : start + _SAVED_AT_ONCE])

    def written(self) -> None:
        """Note that what was written is committed."""
        self._stored.update(self._changed)
        self._changed.clear()
        if self._definition.one_record_a_row or len(self._stored) > MAX_ROWS:
            self._stored.clear()
            self._all_known = False


def _nothing(_: Key) -> None:
    return None
