"""What processes of this machine have used: CPU seconds and memory, children included. A process that is gone counts nothing."""

import contextlib
from collections.abc import Iterable, Iterator

import psutil

_MIB = 1024 * 1024


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process and all that descend from it."""
    return [process, *process.children(recursive=True)]


def cpu_s(pid: int) -> float:
    """CPU seconds, of user and system, of a process, its children and its ended children. Raises psutil.NoSuchProcess."""
    return sum(_cpu_times(family(psutil.Process(pid))))


def _cpu_times(processes: Iterable[psutil.Process]) -> Iterator[float]:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            yield times.user + times.system + times.children_user + times.children_system


def resident_mib(processes: Iterable[psutil.Process]) -> float:
    """Resident set sizes in MiB: shared pages count for each, so at most too much. Cheap: `memory_mib` walks through all their pages."""
    return sum(map(_rss, processes)) / _MIB


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def memory_mib(processes: Iterable[psutil.Process]) -> float:
    """Proportional set sizes in MiB: shared pages are split among those who share them."""
    return sum(map(_pss, processes)) / _MIB


def _pss(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    # Only Linux tells proportional sizes.
    return int(getattr(memory, "pss", memory.rss))
