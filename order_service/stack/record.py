"""What a running stack tells other processes about itself: a file that the supervisor replaces whenever something changes."""

import os
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from order_service.stack.folder import StackFolder
from order_service.stack.process_identity import ProcessIdentity

State = Literal["starting", "running", "waiting", "restarting", "stopped"]
SERVICES = ("kafka", "postgres", "gateway", "order_aggregate", "projections", "notifier")
"""The names in `status`, in the order in which they start."""

_SILENT_S = 10.0


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class ProcessRecord(_Record):
    """One process of a service, or one server that the stack does not run (then without a process)."""

    name: str
    """Unique: the service, with a number from the second on."""
    service: str
    state: State
    detail: str | None = None
    restarts: int = 0
    process: ProcessIdentity | None = None
    metrics: str | None = None


class Urls(_Record):
    """Where the stack is reached; with the database's password."""

    http: str
    feed: str
    kafka: str | None
    postgres: str | None


class StackRecord(_Record):
    """Everything that `status`, `down` and `serve` need to know."""

    supervisor: ProcessIdentity
    workers: int
    activity: str | None = None
    """What the stack is doing or waiting for as a whole, in plain words."""
    urls: Urls
    environment: dict[str, str] = {}
    """The settings that the services were started with."""
    processes: list[ProcessRecord] = []

    @property
    def ready(self) -> bool:
        """Whether every service runs."""
        running = {record.service for record in self.processes if record.state == "running"}
        return running.issuperset(SERVICES) and all(record.state == "running" for record in self.processes)


def write_record(folder: StackFolder, record: StackRecord) -> None:
    """Replace the file in one step. Only its owner can read it: it holds a password."""
    _replace(folder.record, record.model_dump_json())


def read_record(folder: StackFolder) -> StackRecord | None:
    """What was written last, by a supervisor that may have ended since; None when there is nothing."""
    try:
        return StackRecord.model_validate_json(folder.record.read_bytes())
    except FileNotFoundError:
        return None


def is_silent(folder: StackFolder) -> bool:
    """Whether the supervisor has not touched its record for 10 s. The supervisor does so every second, unless it is frozen."""
    try:
        return time.time() - folder.record.stat().st_mtime > _SILENT_S
    except FileNotFoundError:
        return False


class ScaleRequest(_Record):
    """A request to run this many workers of each kind from now on."""

    workers: int


def request_scale(folder: StackFolder, request: ScaleRequest) -> None:
    """Tell the supervisor, which takes the request within a second."""
    _replace(folder.request, request.model_dump_json())


def take_request(folder: StackFolder) -> ScaleRequest | None:
    """The pending request, once; None without one."""
    try:
        request = ScaleRequest.model_validate_json(folder.request.read_bytes())
        folder.request.unlink()
    except FileNotFoundError:
        return None
    return request


def add_guest(folder: StackFolder, service: str) -> None:
    """Note that this process works for the stack as `service`, so that `status` counts it and `down` ends it."""
    own = ProcessIdentity.own()
    (folder.guests / f"{service}-{own.pid}").write_text(str(own.started), encoding="utf-8")


def guests(folder: StackFolder) -> list[tuple[str, ProcessIdentity]]:
    """Service and process of each guest that runs."""
    found = []
    for file in folder.guests.glob("*") if folder.guests.exists() else ():
        service, _, pid = file.name.rpartition("-")
        identity = ProcessIdentity(int(pid), float(file.read_text(encoding="utf-8") or 0))
        if identity.find():
            found.append((service, identity))
        else:
            file.unlink(missing_ok=True)
    return found


def _replace(file: Path, text: str) -> None:
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as content:
        content.write(text)
    part.replace(file)
