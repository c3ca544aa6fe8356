"""The real stack of a run in a folder of its own: started as a user starts it, with guests that the kit starts again itself."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from infra.process.settings import Settings
from order_service.stack.folder import StackFolder
from order_service.stack.process_identity import ProcessIdentity
from order_service.stack.record import ScaleRequest, StackRecord, State, read_record, request_scale
from tools.local_stack.end import end_stack
from tools.local_stack.ports import accepts, free_port

_PREFIX = "orders-faults-"
_OWNER = "kit.json"
BROKERS, WORKERS = 3, 2
PARTITIONS = 12
_START_S = 240.0
_GUEST_PAUSE_S = 1.0
_NOT_INHERITED = ("KAFKA_", "DATABASE_URL", "ORDERS_")
_ORDERS = (sys.executable, "-P", "-m", "order_service")


class KitHome:
    """A folder below the system's temporary folder. Call `end` in any case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = StackFolder(folder)

    @classmethod
    def create(cls) -> "KitHome":
        """A new home, owned by this process."""
        home = cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))
        (home.folder / _OWNER).write_text(json.dumps(ProcessIdentity.own()), encoding="utf-8")
        home.stack.create()
        return home

    def end(self, *, keep: bool) -> None:
        """End every process of the stack, and remove the folder. With `keep` its data, logs and journals stay, and no run removes them."""
        end_stack(self.stack)
        if keep:
            (self.folder / _OWNER).unlink(missing_ok=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def clear_leftovers() -> list[Path]:
    """End the stacks and remove the folders of runs whose own process was killed; returns those folders."""
    cleared = []
    for home in _ownerless():
        home.end(keep=False)
        cleared.append(home.folder)
    return cleared


def _ownerless() -> Iterator[KitHome]:
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        try:
            if owner.stat().st_uid == os.geteuid() and ProcessIdentity(*json.loads(owner.read_text(encoding="utf-8"))).find() is None:
                yield KitHome(owner.parent)
        except (OSError, ValueError, TypeError):
            continue  # another run is just making or removing it


class StackDidNotStart(Exception):
    """The stack was not ready in time; the text ends with what it said."""


class Living(NamedTuple):
    """A process of the stack that runs now. `name` is unique and survives restarts."""

    name: str
    service: str
    state: State
    identity: ProcessIdentity


class KitStack:
    """`./orders up --brokers 3 --workers 2` in a home of its own, a second gateway and a second notifier by `./orders serve`."""

    def __init__(self, home: KitHome) -> None:
        self._home = home
        ports = {"ORDERS_HTTP_PORT", "ORDERS_FEED_PORT", "ORDERS_KAFKA_PORT", "ORDERS_POSTGRES_PORT"}
        self._ports: dict[str, int] = {}
        for name in sorted(ports):
            self._ports[name] = free_port(set(self._ports.values()))
        self._guest_ports = {
            "gateway": free_port(set(self._ports.values())),
            "notifier": free_port(set(self._ports.values())),
        }
        self._guests: dict[str, subprocess.Popen[bytes]] = {}
        self.guest_restarts = 0

    @property
    def gateways(self) -> list[str]:
        """Origins that take commands."""
        return [f"http://127.0.0.1:{port}" for port in (self._ports["ORDERS_HTTP_PORT"], self._guest_ports["gateway"])]

    @property
    def feeds(self) -> list[str]:
        """URLs of the feed."""
        return [f"ws://127.0.0.1:{port}/feed" for port in (self._ports["ORDERS_FEED_PORT"], self._guest_ports["notifier"])]

    @property
    def record(self) -> StackRecord:
        """The supervisor's record, as `status --json` prints it. Raises StackDidNotStart when there is none yet."""
        record = read_record(self._home.stack)
        if record is None:
            raise StackDidNotStart("the supervisor has written nothing yet")
        return record

    @property
    def kafka(self) -> str:
        """The brokers' addresses."""
        return self.record.urls.kafka or ""

    @property
    def postgres(self) -> str:
        """URL of the database, with its password."""
        return self.record.urls.postgres or ""

    def living(self, service: str) -> list[Living]:
        """The processes of a service that run now, in the order of their names."""
        found = [
            Living(process.name, process.service, process.state, process.process)
            for process in self.record.processes
            if process.service == service and process.process and process.process.find()
        ]
        guest = self._guests.get(service)
        if guest is not None and guest.poll() is None:
            found.append(Living(f"{service}-guest", service, "running", ProcessIdentity.of(guest.pid)))
        return sorted(found)

    async def start(self) -> None:
        """Start everything and wait until it is ready. Raises StackDidNotStart."""
        begin = time.monotonic()
        up = await asyncio.create_subprocess_exec(
            *(*_ORDERS, "up", "--detach", "--brokers", str(BROKERS), "--workers", str(WORKERS)),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            said, _ = await up.communicate()
        except asyncio.CancelledError:
            _end_family(up.pid)
            raise
        # `up` itself gives up earlier than a busy machine needs.
        if await self.ailing(_START_S - (time.monotonic() - begin)):
            raise StackDidNotStart(f"not ready after {_START_S:.0f} s\n{said.decode(errors='replace')}")

    async def ailing(self, timeout_s: float) -> list[str]:
        """Wait until every process, guests included, says that it runs. Returns those that don't when the time is up, with reasons."""
        deadline = time.monotonic() + timeout_s
        while (ailing := self._ailing()) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes change it
            await asyncio.sleep(0.2)
        return ailing

    def _ailing(self) -> list[str]:
        record = read_record(self._home.stack)
        if record is None:
            return ["the supervisor has written nothing yet"]
        said = [f"{one.name} is {one.state} ({one.detail})" for one in record.processes if one.state != "running"]
        deaf = [f"the {service} guest does not answer" for service in self._guests if not accepts(self._guest_ports[service])]
        return said + deaf or ([] if record.ready else ["not everything is started"])

    def scale(self, workers: int) -> None:
        """What `./orders up --workers N` does on a running stack."""
        request_scale(self._home.stack, ScaleRequest(workers=workers))

    def tend_guests(self) -> None:
        """Start the guests that don't run. The guests end with the stack."""
        for service in self._guest_ports:
            guest = self._guests.get(service)
            if guest is None or guest.poll() is not None:
                self.guest_restarts += guest is not None
                self._guests[service] = self._start_guest(service)

    async def keep_guests(self) -> None:
        """Start the guests that don't run, until cancelled."""
        while True:
            self.tend_guests()
            await asyncio.sleep(_GUEST_PAUSE_S)

    def collect_guests(self) -> None:
        """After the stack's end, collect all children that ended."""
        for guest in self._guests.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                guest.wait(5.0)

    def _start_guest(self, service: str) -> subprocess.Popen[bytes]:
        variable = {"gateway": "ORDERS_HTTP_PORT", "notifier": "ORDERS_FEED_PORT"}[service]
        environment = {**self._environment(), variable: str(self._guest_ports[service])}
        with (self._home.stack.logs / f"{service}-guest.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 our own module
                [*_ORDERS, "serve", service], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _environment(self) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        return {
            **inherited,
            "ORDERS_HOME": str(self._home.folder),
            "ORDERS_CACHE": str(Settings().jar_folder.parent.absolute()),
            "ORDERS_PARTITIONS": str(PARTITIONS),
            "ORDERS_FEED_HEARTBEAT": "3",
            **{name: str(port) for name, port in self._ports.items()},
        }


def _end_family(pid: int) -> None:
    """End `up` and the supervisor that it may have started a moment ago, too early to be found in its folder."""
    with contextlib.suppress(psutil.NoSuchProcess):
        up = psutil.Process(pid)
        for child in [*up.children(recursive=True), up]:
            child.terminate()
