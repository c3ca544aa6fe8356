"""Comparing the live read models with the log folded anew, in one snapshot of the database, while writes go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection

from infra.event_log.reader import log_ends, read_range
from projections.store.checkpoints import Checkpoint, read_checkpoints
from projections.store.generations import Generation
from projections.store.parked import Parked, ParkedState, find_parked
from projections.tables.registry import TABLES
from projections.verification.checkpoint_drift import checkpoint_drift, sound_end
from projections.verification.drift import Drift, Field, TextKey, drifted_rows, keys_where, partition_counts, text_key
from projections.verification.refold import Refold

_ALL_STATES: tuple[ParkedState, ...] = ("poison", "waiting", "discarded")
_PARKED_FIELDS = ("order_id", "state", "appended_ms", "command_offset", "value")

Watch = Callable[[int, int], None]
"""Told how many records of how many have been folded."""


@dataclass
class Findings:
    """What a verification found. `ends`: per partition, the offset up to which it looked."""

    schema: str
    drifts: list[Drift] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    records: int = 0
    parked_orders: int = 0


class Verification:
    """One look at everything, partition by partition; memory is that of one partition's rows."""

    def __init__(self, eye: AsyncConnection[Any], reader: AIOKafkaConsumer, generation: Generation, watch: Watch) -> None:
        self._eye, self._reader, self._generation, self._watch = eye, reader, generation, watch
        self.findings = Findings(generation.schema)
        self._counts: dict[str, Mapping[int, int]] = {}
        self._total = 0

    async def run(self) -> Findings:
        """Look. `eye` is inside a read-only transaction that sees one snapshot."""
        schema = self._generation.schema
        checkpoints = {checkpoint.partition: checkpoint for checkpoint in await read_checkpoints(self._eye, schema)}
        known = range(self._generation.partitions)
        self._counts = {table.name: await partition_counts(self._eye, table, schema) for table in TABLES}
        self._total = sum(checkpoint.next_offset for checkpoint in checkpoints.values())
        ends = await log_ends(self._reader)
        for partition in known:
            await self._check(partition, checkpoints.get(partition), ends.get(partition, 0))
        for partition in sorted(checkpoints.keys() - set(known)):
            self.findings.drifts.append(Drift("checkpoints", "extra", (str(partition),), partition=partition, row_key=(partition,)))
        await self._strangers()
        self._drop_moved()
        return self.findings

    async def _check(self, partition: int, checkpoint: Checkpoint | None, log_end: int) -> None:
        schema, found = self._generation.schema, self.findings
        end = await sound_end(self._eye, self._reader, schema, partition, checkpoint, log_end)
        kept = await find_parked(self._eye, schema, partition=partition, states=_ALL_STATES)
        refold = Refold(partition, kept)
        keys: dict[str, set[TextKey]] = {table.name: set() for table in TABLES}
        seen = dict.fromkeys(keys, 0)
        async for records in read_range(self._reader, partition, 0, end):
            refold.take(records)
            for name, rows in refold.released().items():
                await self._compare(name, rows, partition, keys, seen)
            found.records += len(records)
            self._watch(found.records, self._total)
        for name, by_key in refold.rows.items():
            await self._compare(name, list(by_key.values()), partition, keys, seen)
        for table in TABLES:
            if self._counts[table.name].get(partition, 0) > seen[table.name]:
                there = await keys_where(self._eye, table, schema, "partition", [partition])
                self._extra(table.name, partition, [key for key in there if key not in keys[table.name]])
        found.ends[partition] = end
        found.parked_orders += len({one.order_id for one in refold.parked})
        found.drifts += parked_drift(kept, refold.parked)
        if drift := checkpoint_drift(checkpoint, replace(refold.checkpoint, next_offset=end)):
            found.drifts.append(drift)

    async def _compare(
        self, name: str, rows: Sequence[Any], partition: int, keys: Mapping[str, set[TextKey]], seen: dict[str, int]
    ) -> None:
        table = next(table for table in TABLES if table.name == name)
        drifts = await drifted_rows(self._eye, table, self._generation.schema, rows, partition)
        keys[name].update(text_key(tuple(getattr(row, column) for column in table.key)) for row in rows)
        elsewhere = [one for one in drifts if one.kind == "missing" or any(changed.name == "partition" for changed in one.fields)]
        seen[name] += len(rows) - len(elsewhere)
        self.findings.rows += len(rows)
        self.findings.drifts += drifts

    def _extra(self, table: str, partition: int, keys: Sequence[TextKey]) -> None:
        self.findings.drifts += [Drift(table, "extra", key, partition=partition) for key in keys]

    async def _strangers(self) -> None:
        """Rows that say that they are of a partition that the log does not have."""
        for table in TABLES:
            unknown = sorted(self._counts[table.name].keys() - set(range(self._generation.partitions)))
            if unknown:
                there = await keys_where(self._eye, table, self._generation.schema, "partition", unknown)
                self._extra(table.name, -1, there)

    def _drop_moved(self) -> None:
        """A row whose partition was changed is told once, as changed; not as extra in the other partition too."""
        changed = {(one.table, one.key) for one in self.findings.drifts if one.kind == "changed"}
        self.findings.drifts = [one for one in self.findings.drifts if one.kind != "extra" or (one.table, one.key) not in changed]


def parked_drift(kept: Sequence[Parked], expected: Sequence[Parked]) -> list[Drift]:
    """Parked records that are missing, that no record of the log explains, or that were changed."""
    there = {_place(one): one for one in kept if one.state != "discarded"}
    should = {_place(one): one for one in expected}
    drifts = []
    for place in sorted(there.keys() | should.keys()):
        old, new = there.get(place), should.get(place)
        key = tuple(map(str, place))
        if old is None or new is None:
            drifts.append(Drift("parked", "extra" if new is None else "missing", key, (), place[1], place, new))
        elif changed := [name for name in _PARKED_FIELDS if getattr(old, name) != getattr(new, name)]:
            drifts.append(Drift("parked", "changed", key, [_field(name, old, new) for name in changed], place[1], place, new))
    return drifts


def _place(parked: Parked) -> tuple[str, int, int]:
    return parked.table_name, parked.partition, parked.record_offset


def _field(name: str, old: Parked, new: Parked) -> Field:
    return Field(name, str(getattr(old, name)), str(getattr(new, name)))
