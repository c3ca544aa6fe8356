"""The folder of one stack (ORDERS_HOME): what lies where. The folder is the stack's identity."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUNS_ALREADY = 3
"""Exit code of a supervisor that found another one in its folder."""


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
        """Make the folders. They hold a password and data: only their owner may look into `run`, PostgreSQL sees to its own."""
        for folder in (self.home, self.logs, self.postgres, self.kafka):
            folder.mkdir(parents=True, exist_ok=True)
        self._run.mkdir(mode=0o700, exist_ok=True)
        self.guests.mkdir(exist_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the folder's only supervisor. The kernel lets go when the process ends, however it does. Raises AlreadyRuns."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRuns(f"a stack runs in {self.home} already") from error
            yield
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Does a supervisor work here?"""
        if not self._lock.exists():
            return False
        try:
            with self.held():
                return False
        except AlreadyRuns:
            return True
