"""Which process a number means. Numbers are given again; a number with its process's start time is not."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

import psutil

_KILLED_S = 5.0
"""How long a killed process may take to be gone."""


class ProcessIdentity(NamedTuple):
    """A process that ran at some time, to be found again by another process."""

    pid: int
    started: float
    """Seconds, since the machine's boot where the kernel tells that (a clock that is set does not move it), else since the epoch."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this number now. Raises psutil.NoSuchProcess."""
        return cls(pid, _started(pid))

    @classmethod
    def own(cls) -> Self:
        """The identity of the process that asks."""
        return cls.of(os.getpid())

    def find(self) -> psutil.Process | None:
        """The process with this number and start; None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            return process if abs(_started(self.pid) - self.started) < 0.02 and _runs(process) else None
        except psutil.NoSuchProcess:
            return None


def end_processes(
    identities: Iterable[ProcessIdentity], *, grace_s: float, stop_signal: signal.Signals = signal.SIGTERM, children: bool = True
) -> list[int]:
    """Ask the processes that still run to end; after `grace_s` seconds end them, with their `children`. The pids of those that ran."""
    found = [process for identity in identities if (process := identity.find())]
    everyone = [*found, *(child for process in found if children for child in _children(process))]
    for process in found:
        _signal(process, stop_signal)
        _signal(process, signal.SIGCONT)  # a frozen process can't end
    for process in _wait_for(everyone, grace_s):
        _signal(process, signal.SIGKILL)
    _wait_for(everyone, _KILLED_S)
    return [process.pid for process in found]


def _wait_for(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """The processes that still run when the time is up. A process that ended and was not collected yet (a zombie) does not run."""
    deadline = time.monotonic() + timeout_s
    while (running := [process for process in processes if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return running


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _started(pid: int) -> float:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return psutil.Process(pid).create_time()


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
