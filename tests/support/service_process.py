"""A service as a process of its own, with its health, for tests that stop, kill and freeze it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

CHECKOUT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class ServiceProcess:
    """`python -m MODULE` with these variables; its output goes to `log`. `checkout`: the folder whose code runs."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path, *, checkout: Path = CHECKOUT) -> None:
        self.module = module
        self.log = log
        self._checkout = checkout
        self.health_port = free_port()
        self._environment = {**os.environ, **environment, "ORDERS_HEALTH_PORT": str(self.health_port)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "ServiceProcess":
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                env=self._environment,
                cwd=self._checkout,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self

    def send(self, signum: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(signum)

    def stop(self, timeout_s: float = 20.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout_s)

    def end(self) -> None:
        """Make sure that nothing is left, frozen or not."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def health(self) -> dict[str, Any]:
        """What it says of itself; state "starting" while it does not answer."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.health_port}/health/ready") as answer:
                return await answer.json()  # type: ignore[no-any-return]
        except aiohttp.ClientError:
            return {"state": "starting", "detail": None}

    async def until(self, state: str, timeout_s: float = 20.0) -> str | None:
        """Wait for a state; its detail."""
        said: dict[str, Any] = {}

        async def reached() -> bool:
            said.update(await self.health())
            return said["state"] == state

        await eventually(reached, timeout_s, lambda: f"{self.module} is {said}; {self.log.read_text()[-2000:]}")
        return said["detail"]  # type: ignore[no-any-return]


async def eventually(condition: Callable[[], Any], timeout_s: float = 20.0, otherwise: Callable[[], str] = lambda: "") -> None:
    """Poll until the awaited condition holds; fails with what `otherwise` says."""
    deadline = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < deadline, f"did not come true within {timeout_s} s. {otherwise()}"
        await asyncio.sleep(0.05)
