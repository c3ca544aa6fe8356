"""One process that is kept running, and one server that is only watched. Both are moved on by `tick(now)`, which never blocks."""

import logging
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from infra.process.exits import GUARD_EXIT
from order_service.stack.process_identity import ProcessIdentity
from order_service.stack.record import ProcessRecord, State
from tools.local_stack.process import Launch, Probed, ServerFailed, ServerProcess

_log = logging.getLogger(__name__)
_PROBE_RUNNING_S = 1.0
_PROBE_OTHERWISE_S = 0.15

Probe = Callable[[], Probed | None]
"""Asks a process how it is, within 2 s; None: no answer. Runs in a thread."""
_RESTART_S = 0.5
_RESTART_AT_MOST_S = 5.0
_MEANT_RESTART_S = 0.1
_MEANT_RESTART_AT_MOST_S = 2.0
_MEANT = (0, -signal.SIGTERM, GUARD_EXIT)
_STEADY_S = 30.0


@dataclass(frozen=True)
class ProcessPlan:
    """A process to keep running."""

    name: str
    service: str
    launch: Callable[[], Launch]
    """Asked before each start. Raises ServerFailed when it can't be started now."""
    probe: Probe
    log: Path
    metrics: Callable[[], str | None] = lambda: None
    grace_s: float = 3.5
    """Seconds from the request to end until the process is killed."""


@dataclass(frozen=True)
class WatchPlan:
    """A server that the stack does not run: only its health is looked at."""

    name: str
    service: str
    probe: Probe
    unreachable: str
    """What `status` says while it does not answer."""


class Slot(Protocol):
    """Something that the supervisor ticks and reports."""

    def tick(self, now: float) -> None:
        """Look, and do what is due; `now` in seconds of a clock that never goes back."""

    def record(self) -> ProcessRecord:
        """The state for `status`."""


class _Prober:
    """Runs a probe in a thread now and then, one at a time."""

    def __init__(self, probe: Probe, pool: Executor) -> None:
        self._probe = probe
        self._pool = pool
        self._pending: Future[Probed | None] | None = None
        self._next = 0.0

    def forget(self) -> None:
        """Drop the open question: it was for a process that has ended."""
        self._pending = None
        self._next = 0.0

    def tick(self, now: float, every_s: float) -> tuple[Probed | None] | None:
        """The answer that has come since the last call, wrapped because None is an answer too; asks anew when it is time."""
        answer = None
        if self._pending and self._pending.done():
            answer = (self._pending.result(),)
            self._pending, self._next = None, now + every_s
        if self._pending is None and now >= self._next:
            self._pending = self._pool.submit(self._probe)
        return answer


class Watched:
    """A server that the stack does not run."""

    def __init__(self, plan: WatchPlan, pool: Executor) -> None:
        self._plan = plan
        self._prober = _Prober(plan.probe, pool)
        self._probed = Probed("starting")

    def tick(self, now: float) -> None:
        """See Slot."""
        if answer := self._prober.tick(now, _PROBE_RUNNING_S):
            self._probed = answer[0] or Probed("waiting", self._plan.unreachable)

    def record(self) -> ProcessRecord:
        """See Slot."""
        return ProcessRecord(name=self._plan.name, service=self._plan.service, state=self._probed.state, detail=self._probed.detail)


class Supervised:
    """A process of the stack: started, probed, and started again when it dies, later each time."""

    def __init__(self, plan: ProcessPlan, pool: Executor) -> None:
        self.plan = plan
        self.state: State = "starting"
        self.detail: str | None = None
        self.restarts = 0
        self.process: ServerProcess | None = None
        self._identity: ProcessIdentity | None = None
        self._prober = _Prober(plan.probe, pool)
        self._backoff = RestartBackoff()
        self._started_at = 0.0
        self._start_at = 0.0
        self._end_by: float | None = None

    def tick(self, now: float) -> None:
        """See Slot."""
        if self._end_by is not None:
            self._leaving(now, self._end_by)
            return
        if self.process and self.process.pid is None:
            self._died(now, f"ended {_how(self.process.exit_code)}", self.process.exit_code)
        if self.process is None:
            if now >= self._start_at:
                self._start(now)
        elif answer := self._prober.tick(now, _PROBE_RUNNING_S if self.state == "running" else _PROBE_OTHERWISE_S):
            self._heard(answer[0])

    def record(self) -> ProcessRecord:
        """See Slot."""
        return ProcessRecord(
            name=self.plan.name,
            service=self.plan.service,
            state=self.state,
            detail=self.detail,
            restarts=self.restarts,
            process=self._identity,
            metrics=self.plan.metrics(),
        )

    def leave(self, now: float) -> None:
        """Ask the process to end, and don't start it again; `tick` forces it after its grace, and sets the state `stopped` at its end."""
        if self._end_by is None:
            self._end_by = now + self.plan.grace_s
            if self.process:
                self.process.ask_to_end()

    def _leaving(self, now: float, end_by: float) -> None:
        if self.process and self.process.pid is not None:
            if now < end_by:
                return
            _log.warning("%s: has not ended in %.1f s, is killed", self.plan.name, self.plan.grace_s)
            self.process.kill()
        self.process, self._identity = None, None
        self.state, self.detail = "stopped", None

    def _start(self, now: float) -> None:
        try:
            process = ServerProcess(self.plan.launch(), self.plan.log)
            self._identity = ProcessIdentity.of(process.start())
        except (ServerFailed, OSError, psutil.NoSuchProcess) as error:
            self._died(now, f"does not start: {error}", None)
            return
        self.process, self._started_at = process, now
        self.state, self.detail = "starting", None
        self._prober.forget()
        _log.info("%s: started, process %s", self.plan.name, process.pid)

    def _died(self, now: float, what: str, exit_code: int | None) -> None:
        wait_s = self._backoff.delay_s(exit_code=exit_code, lived_s=now - self._started_at if self.process else 0.0)
        self.process, self._identity = None, None
        self.restarts += 1
        self.state, self.detail, self._start_at = "restarting", f"{what}, starts again; its log is {self.plan.log}", now + wait_s
        _log.warning("%s: %s, starts again in %.1f s", self.plan.name, what, wait_s)

    def _heard(self, answer: Probed | None) -> None:
        if answer is None:
            # Silence is normal while the process starts. Later something is wrong, but a person decides whether to end the process.
            heard = Probed("starting") if self.state == "starting" else Probed("waiting", f"does not answer; its log is {self.plan.log}")
        else:
            heard = answer
        if heard.state != self.state:
            _log.info("%s: %s%s", self.plan.name, heard.state, f", {heard.detail}" if heard.detail else "")
        self.state, self.detail = heard.state, heard.detail


def _how(exit_code: int | None) -> str:
    return f"by signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"with code {exit_code}"


class RestartBackoff:
    """Doubles from death to death up to 5 s, and starts over after 30 s of life.

    A process that was asked to end, or ended itself on purpose (exit code 70), did right: it comes back at once, and in 2 s at most.
    A longer wait would leave partitions without an owner when both workers of a service are hit in turn.
    """

    def __init__(self) -> None:
        self._deaths = 0

    def delay_s(self, *, exit_code: int | None, lived_s: float) -> float:
        """Seconds until the next start, for a process that ended now after `lived_s` seconds."""
        self._deaths = 1 if lived_s >= _STEADY_S else self._deaths + 1
        first, longest = (_MEANT_RESTART_S, _MEANT_RESTART_AT_MOST_S) if exit_code in _MEANT else (_RESTART_S, _RESTART_AT_MOST_S)
        return min(longest, first * 2.0 ** min(self._deaths - 1, 10))
