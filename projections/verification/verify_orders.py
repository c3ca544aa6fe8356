"""Verifying single orders: one named, or a sample drawn from the log. Only their records are decoded; sums are not looked at."""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from psycopg import AsyncConnection

from event_schemas.recorded import RecordedMessage, classify
from infra.event_log.reader import read_range
from infra.kafka.partitioner import partition_of
from projections.store.checkpoints import read_checkpoints
from projections.store.generations import Generation
from projections.store.parked import ParkedState, find_parked
from projections.tables.registry import TABLES
from projections.verification.drift import Drift, Findings, Watch, drifted_rows, keys_where, text_key
from projections.verification.refold import Refold

OF_ONE_ORDER = tuple(table for table in TABLES if "order_id" in table.columns)
"""The tables whose rows depend on one order alone."""
_STATES: tuple[ParkedState, ...] = ("poison", "waiting", "discarded")


class _Sample:
    """The records of the N orders whose keys hash lowest: a fair draw in one pass, because a key is in from its first record or never."""

    def __init__(self, size: int, seed: bytes) -> None:
        self._size, self._seed = size, seed
        self._highest: list[tuple[int, bytes]] = []
        self.records: dict[bytes, list[ConsumerRecord]] = {}

    def see(self, record: ConsumerRecord) -> None:
        key = record.key
        if key in self.records:
            self.records[key].append(record)
            return
        if key is None:
            return
        rank = -int.from_bytes(hashlib.blake2b(self._seed + key, digest_size=8).digest())
        if len(self.records) < self._size:
            heapq.heappush(self._highest, (rank, key))
        elif rank > self._highest[0][0]:
            del self.records[heapq.heapreplace(self._highest, (rank, key))[1]]
        else:
            return
        self.records[key] = [record]


async def verify_orders(  # noqa: PLR0913 - what is looked at, and with what
    eye: AsyncConnection[Any],
    reader: AIOKafkaConsumer,
    generation: Generation,
    watch: Watch,
    *,
    sample: int = 0,
    seed: bytes = b"",
    order_id: UUID | None = None,
) -> Findings:
    """Compare this order, or `sample` orders of the log, in the caller's snapshot."""
    findings = Findings(generation.schema)
    checkpoints = {c.partition: c.next_offset for c in await read_checkpoints(eye, generation.schema)}
    only = None if order_id is None else partition_of(str(order_id), generation.partitions)
    wanted = _Sample(sample, seed)
    total = sum(end for partition, end in checkpoints.items() if only in (None, partition))
    for partition, end in sorted(checkpoints.items()):
        if only not in (None, partition):
            continue
        async for records in read_range(reader, partition, 0, end):
            for record in records:
                if order_id is None:
                    wanted.see(record)
                elif record.key == str(order_id).encode():
                    wanted.records.setdefault(record.key, []).append(record)
            findings.records += len(records)
            watch(findings.records, total)
        findings.ends[partition] = end
    by_partition: dict[int, list[list[ConsumerRecord]]] = defaultdict(list)
    for records in wanted.records.values():
        by_partition[records[0].partition].append(records)
    for partition, orders in by_partition.items():
        await _compare(eye, generation.schema, partition, orders, findings)
    if order_id is not None and not wanted.records:
        await _extras(eye, generation.schema, [order_id], Refold(only or 0, (), OF_ONE_ORDER), findings, set())
    return findings


async def _compare(
    eye: AsyncConnection[Any], schema: str, partition: int, orders: Sequence[Sequence[ConsumerRecord]], findings: Findings
) -> None:
    kept = await find_parked(eye, schema, partition=partition, states=_STATES)
    refold = Refold(partition, kept, OF_ONE_ORDER)
    for records in orders:
        refold.fold([verdict for verdict in map(classify, records) if isinstance(verdict, RecordedMessage)])
    changed: set[tuple[str, tuple[str, ...]]] = set()
    for table in OF_ONE_ORDER:
        rows = list(refold.rows[table.name].values())
        drifts = await drifted_rows(eye, table, schema, rows, partition)
        changed.update((one.table, one.key) for one in drifts)
        findings.rows += len(rows)
        findings.drifts += drifts
    order_ids = [UUID(bytes(records[0].key).decode()) for records in orders if _is_id(records[0].key)]
    await _extras(eye, schema, order_ids, refold, findings, changed)


async def _extras(  # noqa: PLR0913, PLR0917 - as above
    eye: AsyncConnection[Any],
    schema: str,
    order_ids: Sequence[UUID],
    refold: Refold,
    findings: Findings,
    changed: set[tuple[str, tuple[str, ...]]],
) -> None:
    for table in OF_ONE_ORDER:
        expected = {text_key(key) for key in refold.rows[table.name]}
        for key in await keys_where(eye, table, schema, "order_id", order_ids):
            if key not in expected and (table.name, key) not in changed:
                findings.drifts.append(Drift(table.name, "extra", key, partition=refold.checkpoint.partition))


def _is_id(key: bytes | None) -> bool:
    try:
        return key is not None and str(UUID(key.decode())) == key.decode()
    except ValueError:
        return False
