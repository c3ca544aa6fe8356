"""A Faust table stored in PostgreSQL: it loads the rows a fetch touches, folds in memory, saves what changed.

Loading, folding and saving happen in one transaction of the caller's, who commits the checkpoint with it. The table has no
changelog topic, for PostgreSQL is durable and the event log is the source: never add it to `app.tables` (FAUST.md 19, 21, 35).
"""

from collections.abc import Iterable, Sequence, Set
from typing import Any, Generic
from uuid import UUID

import faust
from faust.stores import base
from psycopg import AsyncConnection

from infra.gate import Counted
from infra.table_definition import Key, RowT, TableDefinition
from infra.table_fold import Refused, fold, keyed
from infra.table_rows import load_rows, save_rows

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

    async def apply(
        self, connection: AsyncConnection[Any], schema: str, records: Sequence[Counted], held: Set[UUID] = frozenset()
    ) -> Sequence[Refused]:
        """Fold these records into the table, in order, inside the caller's transaction. The caller skips what was folded before.

        `held`: orders of which records wait already. Returns the records that were not folded, for the caller to park.
        """
        touching = keyed(self.definition, records)
        if not touching:
            return ()
        await self._load(connection, schema, list(dict.fromkeys(key for key, _, _ in touching if key is not None)))
        refused = fold(self.definition, touching, get=self.get, put=self.__setitem__, held=held)
        await self._save(connection, schema)
        return refused

    async def _load(self, connection: AsyncConnection[Any], schema: str, keys: Sequence[Key]) -> None:
        if self.definition.one_record_a_row:
            self.data.begin(())
            return
        self.data.begin(await load_rows(connection, self.definition, schema, keys))

    async def _save(self, connection: AsyncConnection[Any], schema: str) -> None:
        await save_rows(connection, self.definition, schema, list(self.data.dirty.values()))
