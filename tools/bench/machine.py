"""The machine that a measurement was made on."""

import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_CPU_INFO = Path("/proc/cpuinfo")
_PASSES = 200_000


@dataclass(frozen=True, slots=True)
class Machine:
    """What figures depend on, when the run began. `load`: of the last minute, other programs' work included.

    `pass_ns`: CPU nanoseconds of one pass of a counting loop. A machine that is shared gives more or less for a CPU second: figures of
    two runs compare only as far as this one does.
    """

    cores: int
    memory_gib: float
    processor: str
    system: str
    python: str
    load: float
    pass_ns: float

    @classmethod
    def here(cls) -> "Machine":
        """This machine, now."""
        return cls(
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            processor=_processor(),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            load=round(os.getloadavg()[0], 2),
            pass_ns=round(_pass_ns(), 1),
        )

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.cores} cores ({self.processor}), {self.memory_gib:g} GiB, {self.system}, "
            f"Python {self.python}, load {self.load:g} and {self.pass_ns:g} ns a loop pass at the start"
        )


def _pass_ns() -> float:
    """CPU nanoseconds of one pass: the median of a few tries."""
    tries = []
    for _ in range(7):
        began, count = time.process_time(), 0
        while count < _PASSES:
            count += 1
        tries.append(1e9 * (time.process_time() - began) / _PASSES)
    return statistics.median(tries)


def _processor() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
