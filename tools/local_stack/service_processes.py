"""How the services' processes are started: which module, which environment, which port to ask for its health."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.process.settings import Settings
from order_service.stack.folder import StackFolder
from order_service.stack.running import reachable_address
from tools.local_stack.ports import free_port, is_free
from tools.local_stack.process import Launch, Probed, probe_http
from tools.local_stack.supervised_process import ProcessPlan

MODULES = {
    "gateway": "gateway",
    "order_aggregate": "order_aggregate",
    "projections": "projections",
    "notifier": "notifier",
}
SCALED = ("order_aggregate", "projections")
"""The services that `--workers` multiplies."""


def command(service: str) -> tuple[str, ...]:
    """The arguments that run a service. `-P`: a folder of that name in the user's current folder is not taken for the service."""
    return (sys.executable, "-P", "-m", MODULES[service])


class ServiceProcess:
    """One instance of a service, with a health port that it keeps as long as no other process takes it."""

    def __init__(self, service: str, number: int, settings: Settings, environment: Mapping[str, str]) -> None:
        self.name = service if number == 1 else f"{service}-{number}"
        self._service = service
        self._address = reachable_address(settings.bind)
        self._environment = environment
        self._port = 0

    def plan(self, folder: StackFolder) -> ProcessPlan:
        """The instance's plan for the supervisor."""
        log = folder.logs / f"{self.name}.log"
        return ProcessPlan(self.name, self._service, self._launch, self._probe, log, lambda: self._metrics)

    def _launch(self) -> Launch:
        if not self._port or not is_free(self._port, self._address):
            self._port = free_port()
        environment = {**self._environment, "ORDERS_HEALTH_PORT": str(self._port), "PYTHONUNBUFFERED": "1"}
        return Launch(command(self._service), environment, working_folder=Path.cwd())

    def _probe(self) -> Probed | None:
        return probe_http(self._address, self._port)

    @property
    def _metrics(self) -> str | None:
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self._port}/metrics" if self._port else None


class ServiceFleet:
    """All services' instances, the same objects however often the number of workers changes."""

    def __init__(self, folder: StackFolder, settings: Settings, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._environment = {**os.environ, **environment}
        self._made: dict[tuple[str, int], ServiceProcess] = {}

    def plans(self, workers: int) -> list[ProcessPlan]:
        """One instance of each service, and `workers` of those that scale, in the order in which they start."""
        return [
            self._process(service, number).plan(self._folder)
            for service in MODULES
            for number in range(1, (workers if service in SCALED else 1) + 1)
        ]

    def _process(self, service: str, number: int) -> ServiceProcess:
        if (service, number) not in self._made:
            self._made[service, number] = ServiceProcess(service, number, self._settings, self._environment)
        return self._made[service, number]
