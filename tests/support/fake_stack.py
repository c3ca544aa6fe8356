"""A stack of fake services in a process of its own: `python -m tests.support.fake_stack HOME`, with the real supervisor and folder."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Self

from infra.process.settings import Settings
from order_service.stack.folder import StackFolder
from order_service.stack.process_identity import ProcessIdentity, end_processes
from order_service.stack.record import ProcessRecord, StackRecord, Urls, read_record
from tools.local_stack.ports import free_port
from tools.local_stack.process import Launch, Probed, probe_http
from tools.local_stack.supervise import run_stack
from tools.local_stack.supervised_process import ProcessPlan, WatchPlan
from tools.local_stack.supervisor import Stack, Step

_SERVICE = Path(__file__).with_name("fake_service.py")
_URLS = Urls(http="http://127.0.0.1:1", feed="ws://127.0.0.1:2/feed", kafka="127.0.0.1:3", postgres="postgresql://u:secret@127.0.0.1:4/d")


def fake_stack(folder: StackFolder) -> Stack:
    """Kafka, PostgreSQL and the services, all fake. A file `kafka.elsewhere` in the home: Kafka is other people's, and not there."""
    plans: dict[str, ProcessPlan] = {}

    def plan(service: str, number: int = 1) -> ProcessPlan:
        name = service if number == 1 else f"{service}-{number}"
        return plans.setdefault(name, _plan(folder, service, name))

    def services(workers: int) -> list[ProcessPlan]:
        return [plan("gateway"), *(plan(s, n + 1) for s in ("order_aggregate", "projections") for n in range(workers)), plan("notifier")]

    elsewhere = WatchPlan("kafka", "kafka", lambda: None, "no broker answers")
    kafka = elsewhere if (folder.home / "kafka.elsewhere").exists() else plan("kafka")
    return Stack([kafka, plan("postgres")], services, _URLS, [Step("a step", lambda: None)])


def _plan(folder: StackFolder, service: str, name: str) -> ProcessPlan:
    port = free_port()

    def probe() -> Probed | None:
        return probe_http("127.0.0.1", port)

    launch = Launch((sys.executable, str(_SERVICE), str(folder.home), name), {**os.environ, "ORDERS_HEALTH_PORT": str(port)})
    return ProcessPlan(name, service, lambda: launch, probe, folder.logs / f"{name}.log", lambda: f"http://127.0.0.1:{port}/metrics", 1.0)


class FakeStack:
    """Starts the process, looks at its record, and leaves nothing behind."""

    def __init__(self, home: Path) -> None:
        home.mkdir(exist_ok=True)
        self.folder = StackFolder(home)
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: set[ProcessIdentity] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._note(self.record())
        if self.process:
            self.process.kill()
            self.process.wait()
        end_processes(self._seen, grace_s=0)

    def start(self) -> Self:
        """Start it without waiting."""
        self.process = subprocess.Popen([sys.executable, "-m", "tests.support.fake_stack", str(self.folder.home)])
        return self

    def started(self) -> Self:
        """Start it and wait until all is ready."""
        self.start()
        self.until(lambda record: record.ready)
        return self

    def until(self, holds: Callable[[StackRecord], bool], timeout_s: float = 20) -> StackRecord:
        """The first record for which `holds`."""
        deadline = time.monotonic() + timeout_s
        while True:
            record = self.record()
            if record and holds(record):
                return record
            assert time.monotonic() < deadline, f"not in {timeout_s} s: {record}"
            time.sleep(0.02)

    def record(self) -> StackRecord | None:
        """The last record, if there is one."""
        record = read_record(self.folder)
        self._note(record)
        return record

    def one(self, name: str) -> ProcessRecord:
        """The record of one process."""
        record = self.record()
        assert record
        return next(process for process in record.processes if process.name == name)

    def pid(self, name: str) -> int:
        """Of a process that runs."""
        process = self.one(name).process
        assert process
        return process.pid

    def living(self) -> list[int]:
        """Pids, of all processes ever seen in the record, that run still."""
        return [identity.pid for identity in self._seen if identity.find()]

    def orders(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on this stack."""
        environment = {**os.environ, "ORDERS_HOME": str(self.folder.home)}
        return subprocess.run(
            [sys.executable, "-m", "order_service", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def _note(self, record: StackRecord | None) -> None:
        if record:
            self._seen |= {process.process for process in record.processes if process.process}


if __name__ == "__main__":
    sys.exit(run_stack(Settings(ORDERS_HOME=sys.argv[1]), fake_stack, workers=1, stop=Event()))
