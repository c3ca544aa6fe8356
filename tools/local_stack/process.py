"""One process of this machine with its log: started, probed, ended."""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

FOLDER = "{folder}"
"""Stands in a Launch's arguments for the path of its `open_folder`."""
_PROBE_S = 1.5


class ServerFailed(Exception):
    """A server did not start; the text ends with the last lines of its log."""


@dataclass(frozen=True)
class Launch:
    """How to start a process: a Launch does not change, so that it can be used again and again."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_folder: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None
    """User and group id to run as, for root only."""
    open_folder: Path | None = None
    """A folder handed over as an open descriptor: the process reaches it although its user may not enter the folders above it."""

    def popen(self, log: Path) -> subprocess.Popen[bytes]:
        """Start the process in a session of its own (a terminal's Ctrl-C does not reach it) with its output appended to `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptors = [os.open(self.open_folder, os.O_RDONLY | os.O_DIRECTORY)] if self.open_folder else []
        arguments = [argument.replace(FOLDER, f"/proc/self/fd/{fd}") for argument in self.arguments for fd in descriptors or [-1]]
        user, group = self.user or (None, None)
        try:
            with log.open("ab") as output:
                return subprocess.Popen(  # noqa: S603 arguments are made by this project
                    arguments,
                    env=dict(self.environment),
                    cwd=self.working_folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=descriptors,
                    user=user,
                    group=group,
                    extra_groups=[] if self.user else None,
                )
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


class ServerProcess:
    """One process of a Launch at a time, started as often as asked."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self.launch = launch
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process number, None when no process runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process that ended last; negative: ended by that signal; None while it runs or was never started."""
        return self._process.poll() if self._process else None

    def start(self) -> int:
        """Start the process unless it runs; returns the pid."""
        if self.pid is None:
            self._process = self.launch.popen(self.log)
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal if it runs."""
        if self._process:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would, and wait for that."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def ask_to_end(self) -> None:
        """Ask the process to end in order, without waiting."""
        self.signal(self.launch.stop_signal)
        self.signal(signal.SIGCONT)  # a frozen process can't end

    def stop(self, grace_s: float = 5.0) -> None:
        """Ask the process to end; kill it after `grace_s` seconds."""
        self.ask_to_end()
        self.wait_or_kill(grace_s)

    def wait_or_kill(self, grace_s: float) -> None:
        """Wait for the process's end; kill it after `grace_s` seconds."""
        if self._process is None:
            return
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready()`. Raises ServerFailed when the process ends before, or the time is up."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.pid is None:
                raise ServerFailed(f"{self.launch.arguments[0]} ended with code {self.exit_code}:\n{last_lines(self.log)}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.launch.arguments[0]} is not ready after {timeout_s:.0f} s:\n{last_lines(self.log)}")
            time.sleep(0.02)


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log file, empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ""


class Probed(NamedTuple):
    """What a process says of itself."""

    state: Literal["starting", "running", "waiting"]
    detail: str | None = None


def probe_http(address: str, port: int) -> Probed | None:
    """What `GET /health/ready` answers, None when nothing does."""
    connection = http.client.HTTPConnection(address, port, timeout=_PROBE_S)
    try:
        connection.request("GET", "/health/ready")
        body = json.loads(connection.getresponse().read())
        return Probed(body["state"], body.get("detail"))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
