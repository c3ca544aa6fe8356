"""The worker's part: each fetch is applied to all tables in one PostgreSQL transaction, together with its checkpoints."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

from aiokafka import ConsumerRecord
from psycopg import AsyncConnection

from event_schemas.recorded import RecordedMessage
from infra.event_log.metrics import count_passed_by
from infra.faust.fetches import Progress, Records
from infra.postgres.connections import DatabaseSession
from infra.postgres.table_fold import Refused
from infra.process.health import Health
from projections.live.log_witness import LogRecheck, LogWitness
from projections.live.runs import Run, run_at
from projections.store.checkpoints import lock_checkpoints, read_checkpoints, save_checkpoints
from projections.store.generations import Generation, all_generations, ensure_live_generation, foreign_folds, live_generation
from projections.store.parked import Parked, held_orders, park
from projections.tables.registry import FOLD_VERSION

LOOK_AGAIN_S = 2.0
"""Pause between two looks at partitions that wait for something."""

_log = logging.getLogger(__name__)

DeadLetter = Callable[[ConsumerRecord, str], Awaitable[None]]
"""Keeps a record that can't be read, unchanged, with the reason; returns when it is acknowledged."""


class Table(Protocol):
    """What the projector needs of `infra.postgres.faust_store.ProjectionTable`."""

    @property
    def name(self) -> str:
        """The table's name."""
        ...

    async def load(self, connection: AsyncConnection[Any], schema: str, records: Sequence[RecordedMessage]) -> None:
        """Ask for the rows that these records touch, which continue what the table holds, inside the caller's transaction."""
        ...

    async def apply(self, connection: AsyncConnection[Any], schema: str, held: Set[UUID]) -> Sequence[Refused]:
        """Fold those records and save the rows; the records that the fold can't take are returned."""
        ...


@dataclass(frozen=True, slots=True)
class _Outcome:
    runs: Mapping[int, Run] = field(default_factory=dict)
    refused: str | None = None
    parked: Sequence[Parked] = ()


class Projector:
    """Works off fetches of `order-events`. A crash at any point repeats work, and never skips or doubles it."""

    def __init__(  # noqa: PLR0913 - its edges, handed in one by one so that a test can stand in for each
        self,
        *,
        tables: Sequence[Table],
        session: DatabaseSession,
        log: LogWitness,
        dead_letter: DeadLetter,
        health: Health,
        partitions: int,
    ) -> None:
        self._tables = tables
        self._session = session
        self._log = log
        self._recheck = LogRecheck(log)
        self._dead_letter = dead_letter
        self._health = health
        self._partitions = partitions
        self._waiting: frozenset[int] = frozenset()
        self._look_at = 0.0
        self._stopped: set[int] = set()

    async def assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Where PostgreSQL's checkpoints say to go on. Partitions that can't be opened yet are opened by a later tick."""
        for partition in self._stopped:
            self._health.settled(_newer(partition))
        self._stopped.clear()
        self._recheck.forget()
        self._waiting = partitions
        return await self._open_waiting()

    async def handle(self, records: Records) -> Progress:
        """Apply one fetch, perhaps an empty one, and look again at the partitions that wait."""
        if foreign := self._recheck.objections():
            # The log is no longer the one that was applied: nothing more is taken from it until it is again.
            return self._close(frozenset(foreign), "log", "; ".join(foreign.values()))
        progress = await self._apply_fetch(records) if records else Progress()
        # Also on a fetch with records: under steady load no fetch is empty.
        if self._waiting and time.monotonic() >= self._look_at:
            return replace(progress, reopen={**progress.reopen, **await self._open_waiting()})
        return progress

    async def _apply_fetch(self, records: Records) -> Progress:
        outcome = await self._session.in_transaction(lambda connection: self._apply(connection, records))
        if outcome.refused:
            return self._close(frozenset(records), "generation", outcome.refused)
        _tell(outcome.parked)
        for run in outcome.runs.values():
            for passed_by in run.passed_by:
                count_passed_by(passed_by)
        self._recheck.applied([run.checkpoint for run in outcome.runs.values()])
        return self._progress(outcome.runs)

    async def _apply(self, connection: AsyncConnection[Any], records: Records) -> _Outcome:
        generation = await live_generation(connection, for_share=True)
        refused = await _refusal(connection, generation, self._partitions)
        if generation is None or refused:
            return _Outcome(refused=refused)
        checkpoints = await lock_checkpoints(connection, generation.schema, records)
        runs = {checkpoint.partition: run_at(checkpoint, records[checkpoint.partition]) for checkpoint in checkpoints}
        for run in runs.values():
            await self._bury(run)
        counted = [record for run in runs.values() for record in run.counted]
        held = await held_orders(connection, generation.schema, records)
        parked: list[Parked] = []
        # PostgreSQL saves one table while the next one is folded.
        async with connection.pipeline():
            for table in self._tables:
                await table.load(connection, generation.schema, counted)
            for table in self._tables:
                refusals = await table.apply(connection, generation.schema, held.get(table.name, frozenset()))
                parked += [Parked.of(table.name, one) for one in refusals]
            await park(connection, generation.schema, parked)
            await save_checkpoints(connection, generation.schema, [run.checkpoint for run in runs.values()])
        return _Outcome(runs, parked=parked)

    def _close(self, partitions: frozenset[int], cause: str, reason: str) -> Progress:
        """Make these partitions wait; `health` says why."""
        self._waiting |= partitions
        self._look_at = time.monotonic() + LOOK_AGAIN_S
        self._health.wait_for(cause, reason)
        return Progress(closed=partitions)

    async def _bury(self, run: Run) -> None:
        """Keep unreadable records among the dead letters before the transaction that passes them commits. Twice is harmless."""
        for record, reason in run.undecodable:
            await self._dead_letter(record, reason)

    def _progress(self, runs: Mapping[int, Run]) -> Progress:
        for partition, run in runs.items():
            if run.newer:
                self._stopped.add(partition)
                self._health.wait_for(_newer(partition), f"order-events/{partition} at {run.checkpoint.next_offset}: {run.newer}")
            if run.hole:
                _log.info("order-events/%d is read again from %d: what came did not begin there", partition, run.checkpoint.next_offset)
        return Progress(
            done={partition: run.checkpoint.next_offset for partition, run in runs.items()},
            reopen={partition: run.checkpoint.next_offset for partition, run in runs.items() if run.hole},
            closed=frozenset(partition for partition, run in runs.items() if run.newer),
        )

    async def _live(self, connection: AsyncConnection[Any]) -> tuple[Generation, str | None]:
        """The live generation, made when there is none, and why it must not be written."""
        generation = await ensure_live_generation(connection, fold_version=FOLD_VERSION, partitions=self._partitions)
        return generation, await _refusal(connection, generation, self._partitions)

    async def _open_waiting(self) -> Mapping[int, int]:
        """Where the waiting partitions that may go on continue; the others keep waiting, and `health` says why."""
        self._look_at = time.monotonic() + LOOK_AGAIN_S
        generation, refused = await self._session.in_transaction(self._live)
        if refused:
            self._health.wait_for("generation", refused)
            return {}
        self._health.settled("generation")
        read = await self._session.in_transaction(lambda connection: read_checkpoints(connection, generation.schema))
        checkpoints = [checkpoint for checkpoint in read if checkpoint.partition in self._waiting]
        objections = await self._log.objections(checkpoints)
        if objections:
            self._health.wait_for("log", "; ".join(objections.values()))
        else:
            self._health.settled("log")
        self._waiting = frozenset(objections)
        return {c.partition: c.next_offset for c in checkpoints if c.partition not in objections}


def _tell(parked: Sequence[Parked]) -> None:
    for one in parked:
        if one.state == "poison":
            _log.error(
                "order %s is parked in %s: order-events/%d at %d: %s; see `./orders projections parked`",
                *(one.order_id, one.table_name, one.partition, one.record_offset, one.reason),
            )


def _newer(partition: int) -> str:
    return f"order-events/{partition}"


async def _refusal(connection: AsyncConnection[Any], generation: Generation | None, partitions: int) -> str | None:
    """Why this release must not write that generation, and what to do; None when it may."""
    if generation is None:
        return "the read models are gone from PostgreSQL: restart the projections, which make them anew from the log"
    if generation.fold_version != FOLD_VERSION:
        return foreign_folds(generation, await all_generations(connection), fold_version=FOLD_VERSION)
    if generation.partitions != partitions:
        return (
            f"the read models ({generation.schema}) were folded from a log of {generation.partitions} partitions, order-events has "
            f"{partitions}: connect to the log they belong to, or make them anew from this one: "
            "`./orders projections rebuild --promote --accept-differences`"
        )
    return None
