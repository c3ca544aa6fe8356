"""A Faust table stored in PostgreSQL: it loads the rows a fetch touches, folds in memory, saves what changed.

Loading, folding and saving happen in one transaction of the caller, which commits the checkpoint with them. The table has no
changelog topic, because PostgreSQL is durable and the event log is the source: never add it to `app.tables` (FAUST.md 19, 21, 35).
"""

from collections.abc import Iterable, Sequence, Set
from typing import Any, Generic
from uuid import UUID

import faust
from faust.stores import base
from psycopg import AsyncConnection, AsyncCursor

from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Key, RowT, TableDefinition
from infra.postgres.table_fold import Keyed, Refused, fold, keyed
from infra.postgres.table_sql import ask_rows, asked_rows, save_rows

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
        """Refused: there is no changelog, so the table was added to `app.tables` by mistake."""
        raise NotImplementedError(_NOT_REGISTERED)

    async def backup_partition(self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """Refused: PostgreSQL is backed up as a whole."""
        raise NotImplementedError(_NOT_REGISTERED)

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        """Refused: PostgreSQL is restored as a whole."""
        raise NotImplementedError(_NOT_REGISTERED)


class ProjectionTable(faust.Table, Generic[RowT]):
    """One table of a read model. The table belongs to one agent, which takes fetches one at a time."""

    def __init__(self, app: faust.App, definition: TableDefinition[RowT]) -> None:
        super().__init__(app, name=definition.name, store=STORE_URL)
        self.definition = definition
        self._touching: Sequence[Keyed] = ()
        self._asked: AsyncCursor[Any] | None = None

    def on_key_get(self, key: Key) -> None:
        """Nothing: no sensor looks at single keys."""

    def on_key_set(self, key: Key, value: RowT) -> None:
        """Nothing: there is no changelog."""

    async def load(self, connection: AsyncConnection[Any], schema: str, records: Sequence[RecordedMessage]) -> None:
        """Ask for the rows that these records touch, inside the caller's transaction; `apply` waits for them and folds.

        The caller skips what was folded before. In a pipeline all tables can ask before the first one waits.
        """
        self._touching = keyed(self.definition, records)
        keys = () if self.definition.one_record_a_row else {key: None for key, _, _ in self._touching if key is not None}
        self._asked = await ask_rows(connection, self.definition, schema, list(keys)) if keys else None

    async def apply(self, connection: AsyncConnection[Any], schema: str, held: Set[UUID] = frozenset()) -> Sequence[Refused]:
        """Fold the records given to `load`, in order, and save the rows.

        `held`: orders of which records wait already. Returns the records that were not folded, for the caller to park.
        """
        touching, asked = self._touching, self._asked
        self._touching, self._asked = (), None
        self.data.begin(await asked_rows(self.definition, asked) if asked else ())
        refused = fold(self.definition, touching, get=self.data.data.get, put=self.data.__setitem__, held=held)
        await save_rows(connection, self.definition, schema, list(self.data.dirty.values()))
        return refused
