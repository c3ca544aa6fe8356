"""Keeps a stack running: servers first, then topics, then the services; restarts processes that die; ends everything in order."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

from order_service.stack.folder import StackFolder
from order_service.stack.process_identity import ProcessIdentity
from order_service.stack.record import StackRecord, Urls, take_request, write_record
from tools.local_stack.end import end_guests
from tools.local_stack.log_files import logs_of, rotate
from tools.local_stack.supervised_process import ProcessPlan, Slot, Supervised, Watched, WatchPlan

_log = logging.getLogger(__name__)
_TICK_S = 0.05
_STEP_RETRY_S = 2.0
_PATIENCE_S = 3.0
"""How long services wait for servers that the stack does not run; then they start, and report themselves what is missing."""


@dataclass(frozen=True)
class Step:
    """Something to be done once between the servers and the services. `run` raises when it can't be done yet; it runs in a thread."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Stack:
    """What a supervisor runs: servers, steps and services."""

    servers: Sequence[ProcessPlan | WatchPlan]
    services: Callable[[int], Sequence[ProcessPlan]]
    """The services with this number of workers; a plan's name stays its own."""
    urls: Urls
    steps: Sequence[Step] = ()
    environment: dict[str, str] = field(default_factory=dict)


class StepRun:
    """A Step that is tried again every 2 s until it is done."""

    def __init__(self, step: Step, pool: ThreadPoolExecutor) -> None:
        self.done = False
        self.failure: str | None = None
        self._step = step
        self._pool = pool
        self._pending: Future[object] | None = None
        self._next = 0.0

    def tick(self, now: float) -> None:
        """Look, and try when it is time."""
        if self.done or (self._pending is None and now < self._next):
            return
        if self._pending is None:
            self._pending = self._pool.submit(self._step.run)
        elif self._pending.done():
            error = self._pending.exception()
            self.done, self._pending, self._next = error is None, None, now + _STEP_RETRY_S
            self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        failure = f"{self._step.name}: {str(error) or type(error).__name__}" if error else None
        if failure != self.failure or self.done:
            _log.log(logging.WARNING if failure else logging.INFO, "%s", failure or f"{self._step.name}: done")
        self.failure = failure


class Supervisor:
    """Runs one stack in one folder until told to stop. The folder is held by the caller."""

    def __init__(self, folder: StackFolder, stack: Stack, *, workers: int) -> None:
        self._folder = folder
        self._stack = stack
        self._workers = workers
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="probe")
        self._servers: list[Slot] = [self._slot(plan) for plan in stack.servers]
        self._steps = [StepRun(step, self._pool) for step in stack.steps]
        self._services: dict[str, Supervised] = {}
        self._scaled_to = 0
        self._servers_ready_at: float | None = None
        self._teller = _Teller(folder)

    def run(self, stop: Event) -> None:
        """Start everything and keep it running until `stop` is set; then end everything, within 8 s. Nothing is left behind."""
        try:
            while not stop.is_set():
                self.tick(time.monotonic())
                stop.wait(_TICK_S)
        finally:
            self._end()

    def tick(self, now: float) -> None:
        """Do what is due, and tell about it. Never blocks."""
        for server in self._servers:
            server.tick(now)
        if request := take_request(self._folder):
            self._workers = request.workers
        if self._services_may_start(now):
            self._scale(now)
        for slot in list(self._services.values()):
            slot.tick(now)
            if slot.state == "stopped":
                del self._services[slot.plan.name]
                self._scaled_to = 0  # the worker's name may be wanted again
        self._teller.tell(self._record(), now)

    def _slot(self, plan: ProcessPlan | WatchPlan) -> Slot:
        return Supervised(plan, self._pool) if isinstance(plan, ProcessPlan) else Watched(plan, self._pool)

    def _own_servers(self) -> list[Supervised]:
        return [server for server in self._servers if isinstance(server, Supervised)]

    def _services_may_start(self, now: float) -> bool:
        """Whether all servers run and all steps are done; servers that the stack does not run are waited for only so long."""
        if not self._services and any(server.state != "running" for server in self._own_servers()):
            return False
        self._servers_ready_at = self._servers_ready_at or now
        for step in self._steps:
            step.tick(now)
        everything = all(step.done for step in self._steps) and all(server.record().state == "running" for server in self._servers)
        return bool(self._services) or everything or now - self._servers_ready_at > _PATIENCE_S

    def _scale(self, now: float) -> None:
        """Make the services those of the plan: add what is missing, ask surplus ones to end."""
        if self._scaled_to == self._workers:
            return
        plans = {plan.name: plan for plan in self._stack.services(self._workers)}
        for name, slot in self._services.items():
            if name not in plans:
                slot.leave(now)
        for name, plan in plans.items():
            self._services.setdefault(name, Supervised(plan, self._pool))
        self._scaled_to = self._workers

    def _record(self) -> StackRecord:
        failures = [step.failure for step in self._steps if step.failure]
        return StackRecord(
            supervisor=self._teller.identity,
            workers=self._workers,
            activity="; ".join(failures) or None,
            urls=self._stack.urls,
            environment=self._stack.environment,
            processes=[slot.record() for slot in (*self._servers, *self._services.values())],
        )

    def _end(self) -> None:
        """End the services first, with their guests; then the servers."""
        _log.info("stopping")
        guests_end = self._pool.submit(end_guests, self._folder)
        self._leave(list(self._services.values()))
        guests_end.result()
        self._leave(self._own_servers())
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._folder.record.unlink(missing_ok=True)
        _log.info("stopped")

    def _leave(self, slots: list[Supervised]) -> None:
        for slot in slots:
            slot.leave(time.monotonic())
        while any(slot.state != "stopped" for slot in slots):
            for slot in slots:
                slot.tick(time.monotonic())
            self._teller.tell(self._record(), time.monotonic())
            time.sleep(0.02)


class _Teller:
    """Writes the record when it changes, shows each second that it is awake, and keeps the logs small."""

    def __init__(self, folder: StackFolder) -> None:
        self.identity = ProcessIdentity.own()
        self._folder = folder
        self._told: StackRecord | None = None
        self._next = 0.0

    def tell(self, record: StackRecord, now: float) -> None:
        if record != self._told:
            write_record(self._folder, record)
            self._told = record
        if now >= self._next:
            self._next = now + 1.0
            os.utime(self._folder.record)
            for log in logs_of(self._folder.logs):
                rotate(log)
