"""One process that is measured: started, waited for, its CPU seconds and memory read, ended."""

import asyncio
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from order_service.stack.ports import accepts
from tools.bench.home import BenchHome
from tools.bench.process_usage import cpu_s, memory_mib
from tools.local_stack.embedded.server_process import Launch, ServerFailed, ServerProcess, last_lines
from tools.local_stack.health_probe import probe_http

_READY_S = 60.0


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
        """Of the running process. Raises ServerFailed when it has ended."""
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
        """Proportional set size in MiB (shared pages are split among those who share them)."""
        return memory_mib([psutil.Process(self.pid)])
