"""Which generations there are, how far each is, what is parked in them, and how far a rebuild is."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection

from infra.event_log.reader import log_ends, read_ranges
from projections.rebuild.progress import KeptProgress, kept_progress
from projections.store.checkpoints import read_checkpoints
from projections.store.generations import Generation, all_generations, live_generation
from projections.store.parked import Parked, find_parked


@dataclass(frozen=True)
class GenerationStatus:
    """One generation. `records`: of the log, applied; the lags are None while the log can't be read."""

    generation: Generation
    records: int
    next_offsets: Mapping[int, int]
    parked: Sequence[Parked]
    lag_records: int | None = None
    lag_seconds: float | None = None


@dataclass(frozen=True)
class Status:
    """Everything about the read models."""

    live: str | None
    generations: Sequence[GenerationStatus] = ()
    rebuilds: Sequence[KeptProgress] = field(default_factory=list)


async def read_status(connection: AsyncConnection[Any]) -> Status:
    """What PostgreSQL knows, in the caller's transaction; without the log, so without lags."""
    live = await live_generation(connection)
    statuses = []
    for generation in await all_generations(connection):
        next_offsets = {c.partition: c.next_offset for c in await read_checkpoints(connection, generation.schema)}
        exists = await (await connection.execute("select to_regclass(%s) is not null", (f"{generation.schema}.parked",))).fetchone()
        parked = await find_parked(connection, generation.schema) if exists == (True,) else []
        statuses.append(GenerationStatus(generation, sum(next_offsets.values()), next_offsets, parked))
    return Status(live.schema if live else None, statuses, await kept_progress(connection))


async def lag_of(reader: AIOKafkaConsumer, next_offsets: Mapping[int, int]) -> tuple[int, float]:
    """Records that are not applied at these checkpoints, and the age in seconds of the oldest of them.

    A partition that the log does not have counts nothing. Raises LogUnreadable, KafkaError, TimeoutError.
    """
    ends = await log_ends(reader)
    behind = {partition: offset for partition, offset in next_offsets.items() if offset < ends.get(partition, 0)}
    records = sum(ends[partition] - offset for partition, offset in behind.items())
    oldest: list[int] = []
    async for _, found in read_ranges(reader, {partition: (offset, offset + 1) for partition, offset in behind.items()}):
        oldest.append(found[0].timestamp)
    return records, max(0.0, time.time() - min(oldest) / 1000) if oldest else 0.0


async def rebuild_report(connection: AsyncConnection[Any]) -> dict[str, Any] | None:
    """Phase, records folded of all, and the seconds left of the newest rebuild; None when none is known."""
    status = await read_status(connection)
    if not status.rebuilds:
        return None
    rebuild = status.rebuilds[-1]
    targets = dict(enumerate(rebuild.targets))
    held = next((one.next_offsets for one in status.generations if one.generation.schema == rebuild.schema), {})
    return {
        "phase": "interrupted" if rebuild.interrupted else rebuild.phase,
        "records": sum(min(offset, targets.get(partition, 0)) for partition, offset in held.items()),
        "total": sum(targets.values()),
        "eta_seconds": None if rebuild.eta_s is None else round(rebuild.eta_s, 1),
    }
