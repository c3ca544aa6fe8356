"""Folding one partition of the log anew, for comparing: the live path's runs and folds, with nothing written anywhere."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord

from event_schemas.recorded import RecordedMessage
from event_schemas.topics import EVENTS
from infra.errors import LogUnreadable
from infra.postgres.table_definition import Key, TableDefinition
from infra.postgres.table_fold import Keyed, fold, keyed
from infra.postgres.table_sql import key_of_row
from projections.live.runs import run_at
from projections.rebuild.writer import NewerRecord
from projections.store.checkpoints import Checkpoint
from projections.store.parked import Parked
from projections.tables.registry import TABLES

_KNOWN_POISON = "parked"


class Refold:
    """One partition's rows as the log says. `parked`: what the generation says of records that it has not folded, which holds.

    Records that were discarded are left out; one that is parked stays parked here, though the fold may take it by now.
    """

    def __init__(self, partition: int, parked: Sequence[Parked], tables: Sequence[TableDefinition[Any]] = TABLES) -> None:
        self.checkpoint = Checkpoint(partition, 0)
        self.parked: list[Parked] = []
        self.rows: dict[str, dict[Key, Any]] = {table.name: {} for table in tables}
        self._tables = tables
        self._held: dict[str, set[Any]] = defaultdict(set)
        self._known = {(one.table_name, one.record_offset): one.state for one in parked}

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Fold the run that goes on where this is. Raises LogUnreadable at a hole, NewerRecord."""
        run = run_at(self.checkpoint, records)
        if run.hole:
            raise LogUnreadable(f"{EVENTS}/{self.checkpoint.partition} has a hole at offset {run.checkpoint.next_offset}")
        if run.newer:
            raise NewerRecord(f"{EVENTS}/{self.checkpoint.partition} at {run.checkpoint.next_offset}: {run.newer}")
        self.fold(run.counted)
        self.checkpoint = run.checkpoint

    def fold(self, counted: Sequence[RecordedMessage]) -> None:
        """Fold these records that count."""
        for table in self._tables:
            rows, held = self.rows[table.name], self._held[table.name]
            touching = list(self._as_known(table.name, keyed(table, counted)))
            for refused in fold(table, touching, get=rows.get, put=rows.__setitem__, held=held):
                held.add(refused.counted.record.order_id)
                self.parked.append(Parked.of(table.name, refused))

    def _as_known(self, table: str, touching: Iterable[Keyed]) -> Iterable[Keyed]:
        if not self._known:
            yield from touching
            return
        for key, counted, problem in touching:
            state = self._known.get((table, counted.offset))
            if state == "poison":
                yield None, counted, problem or _KNOWN_POISON
            elif state != "discarded":
                yield key, counted, problem

    def released(self) -> Mapping[str, list[Any]]:
        """The rows of tables that take one record a row, handed over once: no later record touches them."""
        given = {}
        for table in self._tables:
            if table.one_record_a_row:
                given[table.name] = list(self.rows[table.name].values())
                self.rows[table.name].clear()
        return given


def fold_on(table: TableDefinition[Any], row: Any, key: Key, records: Iterable[RecordedMessage]) -> Any:
    """One row as these further records leave it; None when there still is none."""
    rows = {} if row is None else {key_of_row(table, row): row}
    fold(table, [one for one in keyed(table, list(records)) if one[0] == key], get=rows.get, put=rows.__setitem__)
    return rows.get(key)
