"""A Faust table stored in PostgreSQL: it loads the rows a fetch touches, folds in memory, saves what changed.

Loading, folding and saving happen in one transaction of the caller's, who commits the checkpoint with it. The table has no
changelog topic, for PostgreSQL is durable and the event log is the source: never add it to `app.tables` (FAUST.md 19, 21, 35).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Generic

import faust
from faust.stores import base
from psycopg import AsyncConnection

from infra.gate import Counted
from infra.table_definition import Key, RowT, TableDefinition
from infra.table_sql import key_arrays, row_arrays, table_sql

STORE_URL = "postgresql://handed-in"
"""Names the store's class and nothing else: Faust logs store URLs, so the connection is handed in. Without a host Faust would
take the URL for none and silently use the app's own store.
"""
_NOT_REGISTERED = "a table stored in PostgreSQL has no changelog and no files: it must not be added to app.tables"


class PostgresStore(base.Store):
    """The rows of the fetch at hand: those that were loaded, and which of them have changed since."""

    def __post_init__(self) -> None:
        self.data: dict[Key, Any] = {}
        self.dirty: dict[Key, Any] = {}

    def __setitem__(self, key: Key, row: Any) -> None:
        self.data[key] = self.dirty[key] = row

    def __delitem__(self, key: Key) -> None:
        raise NotImplementedError("a fold never deletes a row")

    def begin(self, rows: Iterable[tuple[Key, Any]]) -> None:
        """Forget the last fetch and hold these rows, unchanged."""
        self.data, self.dirty = dict(rows), {}

    def reset_state(self) -> None:
        """Forget the fetch at hand; what is stored stays."""
        self.begin(())

    # What Faust asks of stores that are filled from a changelog or kept in files.

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Refused: there is no changelog, so someone has added the table to `app.tables`."""
        raise NotImplementedError(_NOT_REGISTERED)

    async def backup_partition(self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """Refused: PostgreSQL is backed up as a whole."""
        raise NotImplementedError(_NOT_REGISTERED)

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        """Refused: PostgreSQL is restored as a whole."""
        raise NotImplementedError(_NOT_REGISTERED)


class ProjectionTable(faust.Table, Generic[RowT]):
    """One table of a read model. It belongs to one agent, which takes fetches one at a time."""

    def __init__(self, app: faust.App, definition: TableDefinition[RowT]) -> None:
        super().__init__(app, name=definition.name, store=STORE_URL)
        self.definition = definition

    def on_key_get(self, key: Key) -> None:
        """Nothing: no sensor looks at single keys."""

    def on_key_set(self, key: Key, value: RowT) -> None:
        """Nothing: there is no changelog."""

    async def apply(self, connection: AsyncConnection[Any], schema: str, records: Sequence[Counted]) -> None:
        """Fold these records into the table, in order, inside the caller's transaction. The caller skips what was folded before."""
        touching = [(key, counted) for counted in records if (key := self.definition.key_of(counted)) is not None]
        if not touching:
            return
        await self._load(connection, schema, list(dict(touching)))
        self._fold(touching)
        await self._save(connection, schema)

    async def _load(self, connection: AsyncConnection[Any], schema: str, keys: Sequence[Key]) -> None:
        definition = self.definition
        if definition.one_record_a_row:
            self.data.begin(())
            return
        cursor = await connection.execute(table_sql(definition, schema).load, key_arrays(keys), binary=True)
        rows = [definition.row(*values) for values in await cursor.fetchall()]
        self.data.begin((tuple(getattr(row, name) for name in definition.key), row) for row in rows)

    def _fold(self, touching: Iterable[tuple[Key, Counted]]) -> None:
        evolve = self.definition.evolve
        for key, counted in touching:
            row = evolve(self.get(key), counted)
            if row is not None:
                self[key] = row

    async def _save(self, connection: AsyncConnection[Any], schema: str) -> None:
        rows = list(self.data.dirty.values())
        if rows:
            await connection.execute(table_sql(self.definition, schema).save, row_arrays(self.definition, rows))
