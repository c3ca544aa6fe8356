"""The processes of a rebuild: each fills one partition after the other; killed ones are started again."""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import psycopg
import uvloop
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from infra.errors import LogUnreadable
from infra.event_log.reader import read_ranges, stop_quietly
from infra.kafka.clients import new_reader
from infra.postgres.connections import connection_arguments
from infra.process.settings import Settings
from projections.rebuild.progress import Reached
from projections.rebuild.writer import NewerRecord, Overtaken, Poison, open_writer
from projections.store.advisory_locks import claimed, partition_claim
from projections.store.checkpoints import read_checkpoints

_FETCHED = 250
"""Records taken from the reader at once, and the pace's step."""
_PIECE = 32
"""Records judged, then folded into one table after the other: few enough to stay in the processor's nearest memory meanwhile."""
_SAVE_RECORDS = 130_000
_SAVE_S = 15.0
"""A checkpoint is written at least this often: a kill costs at most that much work."""
_LISTEN_S = 0.1
_RESTARTS = 5
"""Ends without any progress in between after which a rebuild gives up."""
_AGAIN_S = 0.5


@dataclass(frozen=True)
class Share:
    """What one worker is told. `targets`: per partition, where the rebuild ends. `rate`: records a second, None for no limit."""

    settings: Settings
    schema: str
    targets: dict[int, int]
    skip_poison: bool
    rate: float | None
    given_up_in: str | None


@dataclass(frozen=True)
class Stopped:
    """A worker can't go on; the text says why and what to do."""

    reason: str


def work(share: Share, told: Connection) -> None:
    """Fill partitions that no other worker fills: the main of a worker's process. The process ends with its parent, however that ended."""
    # Ctrl-C reaches every process of the terminal; the one that started this one answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Rows stay in memory until they are written: collecting garbage would walk through all of them again and again.
    gc.disable()
    if share.rate is not None:
        os.nice(10)
    try:
        uvloop.run(_fill_all(share, told.send))
    except (Poison, NewerRecord, LogUnreadable) as error:
        told.send(Stopped(str(error)))
    except (psycopg.OperationalError, Overtaken, KafkaError, TimeoutError, OSError) as error:
        # Worth another try: the next worker goes on at the checkpoint.
        told.send(Stopped(""))
        raise SystemExit(f"{type(error).__name__}: {error}") from error


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


async def _fill_all(share: Share, tell: Callable[[Any], None]) -> None:
    arguments = connection_arguments(share.settings, "orders-rebuild")
    reader = new_reader(share.settings, "projections-rebuild")
    try:
        await reader.start()
        async with await AsyncConnection.connect(**arguments, autocommit=True) as connection:
            # A crash of the server loses the last moments, rows and checkpoint together.
            await connection.execute("set synchronous_commit = off")
            for partition, end in share.targets.items():
                async with claimed(connection, partition_claim(share.schema, partition)) as mine:
                    if mine:
                        await _fill(share, connection, reader, partition, end, tell)
                # The partition's rows are gone now, so there is little to walk through.
                gc.collect()
    finally:
        await stop_quietly(reader)


async def _fill(  # noqa: PLR0913, PLR0917 - one partition's work, with the process's connections
    share: Share, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, partition: int, end: int, tell: Callable[[Any], None]
) -> None:
    checkpoint = next(one for one in await read_checkpoints(connection, share.schema) if one.partition == partition)
    writer = await open_writer(
        connection, share.schema, checkpoint, bare=True, skip_poison=share.skip_poison, given_up_in=share.given_up_in
    )
    pace = _Pace(share.rate)
    save_at = time.monotonic() + _SAVE_S
    async for _, records in read_ranges(reader, {partition: (checkpoint.next_offset, end)}, max_records=_FETCHED):
        for start in range(0, len(records), _PIECE):
            await writer.take(records[start : start + _PIECE])
        due = writer.unsaved >= _SAVE_RECORDS or time.monotonic() >= save_at
        if due:
            await writer.save()
            save_at = time.monotonic() + _SAVE_S
        tell(Reached(partition, writer.checkpoint.next_offset, due))
        await pace.keep(len(records))
    await writer.save()
    tell(Reached(partition, writer.checkpoint.next_offset, saved=True))


class _Pace:
    """Holds a worker to its rate; time lost is not made up for."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = time.monotonic()

    async def keep(self, records: int) -> None:
        if self._rate is None:
            return
        now = time.monotonic()
        self._next = max(self._next, now - 0.1) + records / self._rate
        if self._next > now:
            await asyncio.sleep(self._next - now)


class RebuildStopped(Exception):
    """The rebuild can't go on; the text says why and what to do. What was written stays, and the next one goes on there."""


class Fleet:
    """Workers in processes of their own. The workers end with this process, however it ends."""

    def __init__(self, share: Share, workers: int, reached: Callable[[Reached], None]) -> None:
        rate = None if share.rate is None else share.rate / workers
        self._shares = [replace(share, rate=rate, targets=_turned(share.targets, number, workers)) for number in range(workers)]
        self._reached = reached
        self._running: list[tuple[SpawnProcess, Connection]] = []
        self._reason: str | None = None
        self._moved = False

    async def run(self, tick: Callable[[], object]) -> None:
        """Run one worker for each share to its end; `tick` is called several times a second.

        Raises RebuildStopped when a worker can't go on.
        """
        idle = 0
        self._start(self._shares)
        try:
            while self._running:
                await asyncio.sleep(_LISTEN_S)
                fallen = self._listen()
                tick()
                if self._reason:
                    raise RebuildStopped(self._reason)
                if fallen:
                    idle = 0 if self._moved else idle + 1
                    self._moved = False
                    if idle > _RESTARTS:
                        raise RebuildStopped("the workers end at once: see the lines above; PostgreSQL or Kafka may be away")
                    await asyncio.sleep(_AGAIN_S)
                    self._start(self._shares[: len(fallen)])
        finally:
            self._stop()

    def _start(self, shares: Sequence[Share]) -> None:
        context = multiprocessing.get_context("spawn")
        for share in shares:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=work, args=(share, theirs), daemon=True, name="projections-rebuild")
            process.start()
            theirs.close()
            self._running.append((process, ours))

    def _listen(self) -> list[SpawnProcess]:
        """Take in what the workers reported; returns the workers that ended too early."""
        fallen = []
        for process, pipe in list(self._running):
            alive = process.is_alive()
            self._take_in(pipe)
            if not alive:
                self._running.remove((process, pipe))
                pipe.close()
                if process.exitcode != 0:
                    fallen.append(process)
        return fallen

    def _take_in(self, pipe: Connection) -> None:
        try:
            while pipe.poll():
                said = pipe.recv()
                if isinstance(said, Reached):
                    self._moved = True
                    self._reached(said)
                elif isinstance(said, Stopped) and said.reason:
                    self._reason = said.reason
        except (EOFError, OSError):
            return  # it ended; its exit code says how

    def _stop(self) -> None:
        for process, pipe in self._running:
            process.kill()  # what it has not saved is repeated by the next
            process.join()
            pipe.close()
        self._running.clear()


def _turned(targets: dict[int, int], number: int, workers: int) -> dict[int, int]:
    """The same partitions in another order, so that each worker finds a free one at once."""
    order = list(targets)
    start = len(order) * number // workers
    return {partition: targets[partition] for partition in order[start:] + order[:start]}
