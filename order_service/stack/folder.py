"""The folder of one stack (ORDERS_HOME): the places of its files. The folder is the stack's identity."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from order_service.stack.process_identity import ProcessIdentity

RUNS_ALREADY = 3
"""Exit code of a supervisor that found another one in its folder."""

_GLANCES_S = 0.5
"""How long a supervisor tries: looking whether the folder is held means holding it for a moment."""


class AlreadyRuns(Exception):
    """Another supervisor holds this folder."""


class StackFolder:
    """Paths below ORDERS_HOME, and the lock by which only one supervisor works there."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.logs = self.home / "logs"
        self.kafka = self.home / "kafka"
        self.postgres = self.home / "postgres"
        self._run = self.home / "run"
        self.record = self._run / "stack.json"
        self.request = self._run / "request.json"
        self.guests = self._run / "guests"
        self._lock = self._run / "lock"

    def create(self) -> None:
        """Make the folders. The folders hold a password and data: only their owner may look into `run`, PostgreSQL sees to its own."""
        for folder in (self.home, self.logs, self.postgres, self.kafka):
            folder.mkdir(parents=True, exist_ok=True)
        self._run.mkdir(mode=0o700, exist_ok=True)
        self.guests.mkdir(exist_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock of the folder's only supervisor. The kernel releases it when the process ends in any way. Raises AlreadyRuns."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _locked(descriptor, fcntl.LOCK_EX, _GLANCES_S):
                raise AlreadyRuns(f"a stack runs in {self.home} already")
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(ProcessIdentity.own()).encode())
            yield
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Whether a supervisor works here."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _locked(descriptor, fcntl.LOCK_SH, 0)
        finally:
            os.close(descriptor)

    def holder(self) -> ProcessIdentity | None:
        """The supervisor that works here, None when there is none."""
        if not self.is_held():
            return None
        try:
            return ProcessIdentity(*json.loads(self._lock.read_bytes()))
        except ValueError:  # the supervisor is about to write its identity
            return None


def _locked(descriptor: int, kind: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
