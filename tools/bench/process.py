"""The processes of a run: started in its folder, measured (CPU seconds, memory), and ended, if need be by a later run."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from order_service.stack.process_identity import ProcessIdentity, end_processes
from tools.local_stack.ports import accepts
from tools.local_stack.process import Launch, ServerFailed, ServerProcess, last_lines, probe_http

_MIB = 1024 * 1024
_PREFIX = "orders-bench-"
_RECORD = "bench.json"
_READY_S = 60.0


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
    return _total_mib(processes, lambda process: process.memory_info().rss)


def memory_mib(processes: Iterable[psutil.Process]) -> float:
    """Proportional set sizes in MiB: shared pages are split among the processes that share them."""
    return _total_mib(processes, _proportional)


def _proportional(process: psutil.Process) -> int:
    memory = process.memory_full_info()
    # Only Linux tells proportional sizes.
    return int(getattr(memory, "pss", memory.rss))


def _total_mib(processes: Iterable[psutil.Process], size_of: Callable[[psutil.Process], int]) -> float:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += size_of(process)
    return total / _MIB


class BenchHome:
    """A folder below the system's temporary folder. Call `end` in any case."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.folder.chmod(0o755)  # PostgreSQL may run as another user
        self._started: list[ProcessIdentity] = []
        self._write()

    def started(self, *pids: int) -> None:
        """Remember processes that this run has started."""
        self._started += [ProcessIdentity.of(pid) for pid in pids]
        self._write()

    def end(self) -> None:
        """End what still runs, and remove the folder."""
        end_processes(self._started, grace_s=2.0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        record = {"owner": ProcessIdentity.own(), "started": self._started}
        (self.folder / _RECORD).write_text(json.dumps(record), encoding="utf-8")


def clear_leftovers() -> list[Path]:
    """End the processes and remove the folders of bench runs that were killed; returns those folders."""
    cleared = []
    for record in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_RECORD}"):
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            if record.stat().st_uid != os.geteuid() or ProcessIdentity(*content["owner"]).find() is not None:
                continue
            started = [ProcessIdentity(*one) for one in content["started"]]
        except (OSError, ValueError, TypeError, KeyError):
            continue  # another run is just making or removing it
        end_processes(started, grace_s=0, stop_signal=signal.SIGKILL)
        shutil.rmtree(record.parent, ignore_errors=True)
        cleared.append(record.parent)
    return cleared


class BenchProcess:
    """`python -m MODULE ARGUMENTS`, as an asynchronous context that starts it and waits until it says that it runs.

    A module that answers no health question runs when its HTTP port takes connections.
    """

    def __init__(self, home: BenchHome, module: str, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.module = module
        self._home = home
        self._log = home.folder / f"{module}.log"
        launch = Launch((sys.executable, "-P", "-m", module, *arguments), environment, working_folder=home.folder)
        self._process = ServerProcess(launch, self._log)

    async def __aenter__(self) -> Self:
        self.start()
        await self.running()
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it."""
        self._home.started(self._process.start())

    def ask_to_end(self) -> None:
        """Ask it to end, without waiting."""
        self._process.ask_to_end()

    def stop(self) -> None:
        """Ask it to end, after 5 s with force."""
        self._process.stop()

    @property
    def pid(self) -> int:
        """The process's number. Raises ServerFailed when it has ended."""
        pid = self._process.pid
        if pid is None:
            raise ServerFailed(f"{self.module} has ended with code {self._process.exit_code}:\n{last_lines(self._log)}")
        return pid

    @property
    def http_port(self) -> int:
        """The port that it serves HTTP at, if it does."""
        return int(self.environment["ORDERS_HTTP_PORT"])

    @property
    def feed_port(self) -> int:
        """The port that it serves the feed at, if it does."""
        return int(self.environment["ORDERS_FEED_PORT"])

    @property
    def health_port(self) -> int:
        """The port of its health and metrics."""
        return int(self.environment["ORDERS_HEALTH_PORT"])

    async def running(self) -> None:
        """Return when it runs. Raises ServerFailed."""
        deadline = time.monotonic() + _READY_S
        while not await asyncio.to_thread(self._runs):
            if not self.pid or time.monotonic() > deadline:
                raise ServerFailed(f"{self.module} does not run after {_READY_S:.0f} s:\n{last_lines(self._log)}")
            await asyncio.sleep(0.05)

    def _runs(self) -> bool:
        probed = probe_http("127.0.0.1", self.health_port)
        return probed.state == "running" if probed else accepts(self.http_port) and ".floors." in self.module

    async def metrics(self) -> dict[str, float]:
        """Its metrics without labels, as the process has them now. Raises aiohttp.ClientError when it does not answer."""
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.health_port}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        return {sample.name: float(sample.value) for family in families for sample in family.samples if not sample.labels}

    def cpu_s(self) -> float:
        """CPU seconds so far, of user and system."""
        return cpu_s(self.pid)

    def memory_mib(self) -> float:
        """Proportional set size in MiB (shared pages are split among the processes that share them)."""
        return memory_mib([psutil.Process(self.pid)])
