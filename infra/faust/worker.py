"""The body of every agent of ours: notice assignments, drop what is stale, let the service work off the rest."""

import asyncio
import logging
from typing import Protocol

from infra.faust.fetches import Fetch, FetchHandler, Progress
from infra.faust.transport import Consumer
from infra.faust.watchdog import LastProgress
from infra.process.exits import end_process

_log = logging.getLogger(__name__)


class HasConsumer(Protocol):
    """A Faust app with our transport."""

    consumer: Consumer
    last_progress: LastProgress


class FetchWorker:
    """Takes fetches one at a time. Whatever goes wrong in the service ends the process: the log says where to go on."""

    def __init__(self, app: HasConsumer, handler: FetchHandler, *, session_timeout_s: float) -> None:
        self._app = app
        self._handler = handler
        self._session_timeout_s = session_timeout_s
        self._assignment: int | None = None

    async def take(self, fetch: Fetch) -> None:
        """Work off one fetch. Nothing but a cancellation leaves it by exception (FAUST.md 1)."""
        self._app.last_progress.moved()
        try:
            await self._take(fetch)
        except asyncio.CancelledError:
            # aiokafka awaits tasks that it has cancelled itself; such a stray cancellation would end the agent in silence.
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                end_process("a cancellation that nobody asked for")
            raise
        except Exception as error:  # noqa: BLE001 - the unexpected ends the process
            end_process(f"a fetch could not be worked off: {type(error).__name__}: {error}")

    async def _take(self, fetch: Fetch) -> None:
        consumer = self._app.consumer
        if fetch.generation != consumer.assignment_number:
            return
        if fetch.generation != self._assignment:
            await self._begin(fetch, consumer)
            return
        records = {p: run for p, run in fetch.records.items() if consumer.is_open(p, fetch.openings.get(p))}
        if records:
            self._end_if_expelled(consumer)
        self._assignment = None  # when cancelled half-way, the state is in doubt: begin anew
        progress = await self._handler.handle(records)
        self._assignment = fetch.generation
        await self._apply(progress, consumer)

    async def _begin(self, fetch: Fetch, consumer: Consumer) -> None:
        self._assignment = None
        _log.info("assigned partitions: %s", ", ".join(map(str, sorted(fetch.assigned))) or "none")
        openings = await self._handler.assigned(fetch.assigned)
        if fetch.generation == consumer.assignment_number:
            await consumer.open(openings)
            self._assignment = fetch.generation

    async def _apply(self, progress: Progress, consumer: Consumer) -> None:
        if self._assignment != consumer.assignment_number:
            return
        consumer.note_done(progress.done)
        for partition in progress.closed:
            consumer.close_partition(partition)
        if progress.reopen:
            await consumer.open(progress.reopen)

    def _end_if_expelled(self, consumer: Consumer) -> None:
        # A woken process believes that it still owns its partitions. What it would append is void anyway; this spares the log.
        unconfirmed = consumer.slept_through_s(self._session_timeout_s)
        if unconfirmed is not None:
            end_process(f"the group has not confirmed this worker for {unconfirmed:.1f} s, and it was frozen meanwhile")
