"""`verify`: the live read models held against the log folded anew, in one snapshot, while writes go on; put right if that is asked for."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection, IsolationLevel

from infra.event_log.reader import log_ends, read_range, stop_quietly
from infra.kafka.clients import new_reader
from infra.postgres.connections import connection_arguments
from infra.process.settings import Settings
from projections.rebuild.choice import OperationRefused
from projections.store.checkpoints import Checkpoint, read_checkpoints
from projections.store.generations import Generation, all_generations, foreign_folds, live_generation
from projections.store.parked import ParkedState, find_parked
from projections.tables.registry import FOLD_VERSION, TABLES
from projections.verification.drift import (
    Drift,
    Findings,
    TextKey,
    Watch,
    checkpoint_drift,
    drifted_rows,
    keys_where,
    parked_drift,
    partition_counts,
    sound_end,
    text_key,
)
from projections.verification.refold import Refold
from projections.verification.repair import Repaired, repair
from projections.verification.verify_orders import verify_orders

_ALL_STATES: tuple[ParkedState, ...] = ("poison", "waiting", "discarded")


class Verification:
    """One look at everything, partition by partition; memory is that of one partition's rows."""

    def __init__(self, eye: AsyncConnection[Any], reader: AIOKafkaConsumer, generation: Generation, watch: Watch) -> None:
        self._eye, self._reader, self._generation, self._watch = eye, reader, generation, watch
        self.findings = Findings(generation.schema)
        self._counts: dict[str, Mapping[int, int]] = {}
        self._total = 0

    async def run(self) -> Findings:
        """Run the verification. `eye` is inside a read-only transaction that sees one snapshot."""
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
        """Report a row whose partition was changed once, as changed; not as extra in the other partition too."""
        changed = {(one.table, one.key) for one in self.findings.drifts if one.kind == "changed"}
        self.findings.drifts = [one for one in self.findings.drifts if one.kind != "extra" or (one.table, one.key) not in changed]


@dataclass(frozen=True)
class VerifyOptions:
    """What to look at: everything, `sample` orders, or one; and whether to put it right."""

    sample: int = 0
    order_id: UUID | None = None
    repair: bool = False


async def verify(settings: Settings, options: VerifyOptions, watch: Watch) -> tuple[Findings, Repaired | None]:
    """Compare, and repair if that is asked for and needed.

    Raises OperationRefused when there is nothing that this release could compare, and errors of Kafka and PostgreSQL.
    """
    async with _reader(settings) as reader:
        findings = await _look(settings, reader, options, watch)
        if not (options.repair and findings.drifts):
            return findings, None
        arguments = connection_arguments(settings, "orders-verify")
        async with await AsyncConnection.connect(**arguments, autocommit=True) as connection:
            return findings, await repair(connection, reader, findings)


async def _look(settings: Settings, reader: AIOKafkaConsumer, options: VerifyOptions, watch: Watch) -> Findings:
    async with AsyncExitStack() as stack:
        arguments = connection_arguments(settings, "orders-verify")
        eye: AsyncConnection[Any] = await stack.enter_async_context(await AsyncConnection.connect(**arguments, autocommit=True))
        await eye.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await eye.set_read_only(True)
        await stack.enter_async_context(eye.transaction())
        generation = await live_generation(eye)
        if generation is None:
            raise OperationRefused("there are no read models yet: the projections make them when they start")
        if generation.fold_version != FOLD_VERSION:
            raise OperationRefused(foreign_folds(generation, await all_generations(eye), fold_version=FOLD_VERSION))
        if not options.sample and options.order_id is None:
            return await Verification(eye, reader, generation, watch).run()
        seed = secrets.token_bytes(8)
        return await verify_orders(eye, reader, generation, watch, sample=options.sample, seed=seed, order_id=options.order_id)


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    reader = new_reader(settings, "projections-verify")
    try:
        await reader.start()
        yield reader
    finally:
        await stop_quietly(reader)
