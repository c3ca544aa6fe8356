"""project: how fast one projections worker applies a log to all five tables, beside one plain loop that writes the same rows."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql

from event_schemas.topics import COMMANDS, EVENTS
from infra.process.settings import Settings
from tools.bench.floors.orders_log import write_bench_log
from tools.bench.floors.project import FLOOR_SCHEMA
from tools.bench.measuring import Metric, Sample, grown
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers

_LOOK_S = 0.05
_WITHIN_S = 200.0


class Project:
    """A log of `orders` orders, half of which were shipped or cancelled later."""

    name = "project"
    what = "records applied to all five tables by one projections worker, indexes and checkpoints included"
    floor_is = "one plain loop: read, decode, write the rows that came of it by the same statements; no folding, no loading"
    metrics = (
        Metric("records/s", "records/s", wanted=0.7),
        Metric("CPU µs a record", "µs", more_is_better=False),
        Metric("CPU µs a record, postgres", "µs", more_is_better=False),
    )

    def __init__(self, servers: Servers, *, orders: int, workers: int = 1, fetch_records: int | None = None) -> None:
        self._servers, self._orders, self._workers = servers, orders, workers
        self._fetch_records = fetch_records
        self._records = 0

    async def enter(self) -> None:
        """Write the log; the first rows, which the floor writes again, are those of a run that is not timed."""
        await self._servers.new_topics(COMMANDS, EVENTS)
        self._records = await write_bench_log(self._servers.settings, self._orders)
        await self.measured()

    async def measured(self) -> Sample:
        """`python -m projections`, on an empty database."""
        self._servers.use_new_database()
        if self._fetch_records is None:
            return await self._round(None, "projections", workers=self._workers)
        sized = ("tools.bench.fetch_sized", "projections", str(self._fetch_records))
        return await self._round(None, *sized, workers=self._workers)

    async def floor(self) -> Sample:
        """The plain loop, in the database of the round before."""
        return await self._round(FLOOR_SCHEMA, "tools.bench.floors.project")

    async def leave(self) -> None:
        """End nothing: nothing runs between rounds."""

    async def _round(self, schema: str | None, module: str, *arguments: str, workers: int = 1) -> Sample:
        processes = [self._servers.process(module, *arguments) for _ in range(workers)]
        with _Applied(self._servers.settings, schema) as applied:
            applied.forget()
            for process in processes:
                process.start()
            try:
                return await self._timed(processes, applied)
            finally:
                for process in processes:
                    process.stop()

    async def _timed(self, workers: Sequence[BenchProcess], applied: "_Applied") -> Sample:
        async def done() -> int:
            return await asyncio.to_thread(applied.count)

        def cpu_s() -> dict[str, float]:
            return {"workers": sum(worker.cpu_s() for worker in workers)} | self._servers.cpu_s()

        timed = await grown(done, self._records, cpu_s, look_s=_LOOK_S, within_s=_WITHIN_S)
        return {
            "records/s": self._records / timed.seconds,
            "CPU µs a record": 1e6 * timed.cpu_s["workers"] / self._records,
            "CPU µs a record, postgres": 1e6 * timed.cpu_s["postgres"] / self._records,
            "memory MiB": sum(worker.memory_mib() for worker in workers),
        }


class _Applied:
    """How many records a schema holds: the live one's, or `schema`'s."""

    def __init__(self, settings: Settings, schema: str | None) -> None:
        assert settings.database_url is not None
        self._connection = psycopg.connect(settings.database_url.get_secret_value(), autocommit=True)
        self._schema = schema

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._connection.close()

    def forget(self) -> None:
        """Drop the schema that an earlier round left."""
        if self._schema:
            self._connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(self._schema)))

    def count(self) -> int:
        """The records that are applied now; 0 as long as there is no such schema."""
        try:
            schema = self._schema or self._one("select schema from projections.live")
            return int(self._one(sql.SQL("select sum(next_offset)::bigint from {}").format(sql.Identifier(str(schema), "checkpoints"))))
        except psycopg.errors.UndefinedTable:
            return 0

    def _one(self, query: LiteralString | sql.Composed) -> Any:
        row = self._connection.execute(query).fetchone()
        return row[0] if row and row[0] is not None else 0
