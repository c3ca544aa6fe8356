"""Making the next generation beside the live one, from the log's first record: resumable, throttled, visible, and silent."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection

from event_schemas.positions import LogIdentity
from infra.errors import LogUnreadable
from infra.event_log.reader import log_ends, log_identity, stop_quietly
from infra.kafka.clients import new_reader
from infra.kafka.topic_guard import check_topics
from infra.postgres.connections import connection_arguments
from infra.process.settings import Settings
from projections.rebuild.indexing import make_indexes
from projections.rebuild.progress import Meter, RebuildProgress, begin_progress, keep_progress
from projections.rebuild.workers import Fleet, RebuildStopped, Share
from projections.rebuild.writer import NewerRecord, Poison, catch_up
from projections.store.advisory_locks import maintenance
from projections.store.checkpoints import Checkpoint, read_checkpoints
from projections.store.generations import Generation, all_generations, create_generation, live_generation, lock_list, set_state
from projections.tables.registry import FOLD_VERSION

TAIL = 1_000
"""Records behind the log's end below which a rebuild leaves the rest to the promotion."""
_KEEP_S = 1.0

Watch = Callable[[RebuildProgress], None]


@dataclass(frozen=True)
class RebuildOptions:
    """What the operator asks for. `throttle`: records a second over all workers, None for as fast as it goes."""

    workers: int = 2
    throttle: float | None = None
    skip_poison: bool = False


class Rebuild:
    """One rebuild, by the process that runs it. Killed at any moment, the next one goes on where it was."""

    def __init__(self, settings: Settings, options: RebuildOptions, watch: Watch) -> None:
        self._settings, self._options, self._watch = settings, options, watch

    async def run(self) -> Generation:
        """Build it and return it, ready to be promoted.

        Raises RebuildStopped with what to do, Busy while another one works, and errors of Kafka and PostgreSQL.
        """
        if problems := await check_topics(self._settings):
            raise RebuildStopped("the log is not safe: " + "; ".join(problems))
        async with AsyncExitStack() as stack:
            connect = connection_arguments(self._settings, "orders-rebuild")
            connection = await stack.enter_async_context(await AsyncConnection.connect(**connect, autocommit=True))
            await stack.enter_async_context(maintenance(connection))
            reader = new_reader(self._settings, "projections-rebuild")
            stack.push_async_callback(stop_quietly, reader)
            await reader.start()
            ends = await log_ends(reader)
            generation = await self._generation(connection, await log_identity(reader, ends=ends))
            await begin_progress(connection, generation.schema, ends)
            try:
                await self._fill(connection, reader, generation, ends)
            except (RebuildStopped, LogUnreadable, NewerRecord, Poison) as error:
                stopped = RebuildProgress(generation.schema, "stopped", 0, 0, 0.0, None)
                await keep_progress(connection, stopped, str(error))
                raise RebuildStopped(str(error)) from error
            return Generation(generation.schema, generation.fold_version, generation.partitions, "ready")

    async def _generation(self, connection: AsyncConnection[Any], log: LogIdentity) -> Generation:
        """The unfinished generation of these folds and this log, else a new one."""
        async with connection.transaction():
            await lock_list(connection)
            for known in reversed(await all_generations(connection)):
                fits = known.state == "building" and (known.fold_version, known.partitions) == (FOLD_VERSION, log.partitions)
                if fits and _is_of(await read_checkpoints(connection, known.schema), log):
                    return known
            return await create_generation(connection, fold_version=FOLD_VERSION, partitions=log.partitions, state="building")

    async def _fill(
        self, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, generation: Generation, ends: Mapping[int, int]
    ) -> None:
        live = await live_generation(connection)
        given_up_in = live.schema if live and live.partitions == generation.partitions else None
        meter = Meter(generation.schema, ends, await _next_offsets(connection, generation.schema))
        await self._run_fleet(connection, generation, ends, meter, given_up_in)
        self._watch(meter.now("indexing"))
        await keep_progress(connection, meter.now("indexing"))
        throttled = self._options.throttle is not None
        await make_indexes(self._settings, generation.schema, processors=self._options.workers, gently=throttled)
        await self._catch_up(connection, reader, generation, meter, given_up_in)
        await set_state(connection, generation.schema, "ready")
        await keep_progress(connection, meter.now("done"))
        self._watch(meter.now("done"))

    async def _run_fleet(
        self, connection: AsyncConnection[Any], generation: Generation, ends: Mapping[int, int], meter: Meter, given_up_in: str | None
    ) -> None:
        """Fill every partition up to `ends`, and keep the progress meanwhile."""
        left = {partition: end for partition, end in ends.items() if meter.next_offsets.get(partition, 0) < end}
        if not left:
            return
        options = self._options
        share = Share(self._settings, generation.schema, left, options.skip_poison, options.throttle, given_up_in)
        fleet = Fleet(share, min(options.workers, len(left)), meter.reached)
        keeping = asyncio.create_task(self._keep(connection, meter))
        try:
            while left:
                await fleet.run(lambda: self._watch(meter.now("folding")))
                # Partitions still claimed by an orphaned worker of a killed rebuild were skipped; that worker is gone by now.
                meter.next_offsets = dict(await _next_offsets(connection, generation.schema))
                left = {partition: end for partition, end in left.items() if meter.next_offsets.get(partition, 0) < end}
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})

    async def _keep(self, connection: AsyncConnection[Any], meter: Meter) -> None:
        while True:
            await keep_progress(connection, meter.now("folding"))
            await asyncio.sleep(_KEEP_S)

    async def _catch_up(
        self, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, generation: Generation, meter: Meter, given_up_in: str | None
    ) -> None:
        """Follow the log until its end is near; the promotion does the rest."""
        while True:
            meter.ends = dict(await log_ends(reader))
            now = meter.now("catching up")
            if now.total - now.records <= (TAIL if now.records else 0):
                return
            self._watch(now)
            await keep_progress(connection, now)
            skip = self._options.skip_poison
            await catch_up(connection, reader, generation.schema, meter.ends, skip_poison=skip, given_up_in=given_up_in)
            meter.next_offsets = dict(await _next_offsets(connection, generation.schema))


def _is_of(checkpoints: list[Checkpoint], log: LogIdentity) -> bool:
    """Whether what these checkpoints hold comes from that log."""
    return all(log.first.get(c.partition) == c.first_record for c in checkpoints if c.next_offset > 0)


async def _next_offsets(connection: AsyncConnection[Any], schema: str) -> Mapping[int, int]:
    return {checkpoint.partition: checkpoint.next_offset for checkpoint in await read_checkpoints(connection, schema)}
