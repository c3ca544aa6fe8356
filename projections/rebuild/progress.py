"""How far a rebuild is: kept in PostgreSQL each second, so that the command line, its `--json` and the operations endpoint agree."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row

Phase = Literal["folding", "indexing", "catching up", "done", "stopped"]

_BEGIN = (
    "insert into projections.rebuilds (schema, phase, targets) values (%s, 'folding', %s) "
    "on conflict (schema) do update set phase = 'folding', targets = excluded.targets, problem = null, updated_at = now()"
)
_SAVE = "update projections.rebuilds set phase = %s, rate = %s, eta_s = %s, problem = %s, updated_at = now() where schema = %s"
_ALL = (
    "select schema, phase, targets, rate, eta_s, problem, extract(epoch from now() - updated_at)::float8 as age_s "
    "from projections.rebuilds order by started_at, schema"
)
_WINDOW_S = 10.0


@dataclass(frozen=True)
class Reached:
    """A worker has folded this partition up to here; `saved`: and has written the rows."""

    partition: int
    next_offset: int
    saved: bool


@dataclass(frozen=True)
class RebuildProgress:
    """A moment of a rebuild. `records` of `total` are folded; `rate` in records a second; `eta_s`: seconds left, None if unknown."""

    schema: str
    phase: Phase
    records: int
    total: int
    rate: float
    eta_s: float | None

    @property
    def percent(self) -> float:
        """How much is folded, 0 to 100."""
        return 100.0 * self.records / self.total if self.total else 100.0


@dataclass(frozen=True)
class KeptProgress:
    """A rebuild as PostgreSQL has it. `age_s`: seconds since its process last said so; it does each second while it works."""

    schema: str
    phase: Phase
    targets: Sequence[int]
    rate: float
    eta_s: float | None
    problem: str | None
    age_s: float

    @property
    def interrupted(self) -> bool:
        """Whether its process is gone; `./orders projections rebuild` goes on with it."""
        return self.phase in ("folding", "indexing", "catching up") and self.age_s > 10


async def begin_progress(connection: AsyncConnection[Any], schema: str, targets: Mapping[int, int]) -> None:
    """Note that a rebuild begins or goes on."""
    await connection.execute(_BEGIN, (schema, [targets[partition] for partition in sorted(targets)]))


async def keep_progress(connection: AsyncConnection[Any], progress: RebuildProgress, problem: str | None = None) -> None:
    """Save how far the rebuild is; `problem`: why it stopped."""
    await connection.execute(_SAVE, (progress.phase, progress.rate, progress.eta_s, problem, progress.schema))


async def kept_progress(connection: AsyncConnection[Any]) -> list[KeptProgress]:
    """All rebuilds of generations that are there."""
    exists = await (await connection.execute("select to_regclass('projections.rebuilds') is not null")).fetchone()
    if exists != (True,):
        return []
    async with connection.cursor(row_factory=class_row(KeptProgress)) as cursor:
        return await (await cursor.execute(_ALL)).fetchall()


class Meter:
    """Where each partition is, and how fast all of them go together."""

    def __init__(self, schema: str, ends: Mapping[int, int], next_offsets: Mapping[int, int]) -> None:
        self.schema = schema
        self.ends = dict(ends)
        self.next_offsets = dict(next_offsets)
        self._seen: deque[tuple[float, int]] = deque()

    def reached(self, reached: Reached) -> None:
        """Note how far a worker has folded. After a kill it may be less than before: what was not saved is repeated."""
        self.next_offsets[reached.partition] = reached.next_offset

    def now(self, phase: Phase) -> RebuildProgress:
        """The progress at this moment."""
        records = sum(min(offset, self.ends.get(partition, 0)) for partition, offset in self.next_offsets.items())
        total = sum(self.ends.values())
        moment = time.monotonic()
        self._seen.append((moment, records))
        while len(self._seen) > 2 and self._seen[0][0] < moment - _WINDOW_S:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = max(0.0, (records - before) / (moment - since)) if moment > since else 0.0
        left = total - records
        eta = 0.0 if not left and phase == "done" else left / rate if rate else None
        return RebuildProgress(self.schema, phase, records, total, rate, eta)
