"""Two releases of the product as real processes: the checkout, and a copy of it whose folds were changed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from projections.tables.registry import FOLD_VERSION
from tests.support.house import PACKAGES
from tests.support.service_process import CHECKOUT, ServiceProcess

Change = tuple[str, str, str]
"""A file, a text that stands in it once, and what stands there instead."""

NEW_COLUMN: tuple[Change, ...] = (
    (
        "projections/tables/customer_summaries.py",
        "    totals: Totals = MappingProxyType({})\n",
        "    totals: Totals = MappingProxyType({})\n    seen: int = 0\n",
    ),
)
"""A column that the rows of the release before do not have."""


def counting_units(times: int) -> Change:
    """Other rows in the columns that there are: each unit sold counts so many times."""
    return (
        "projections/tables/daily_sales.py",
        "orders=day.orders + 1, units=day.units + order.units,",
        f"orders=day.orders + 1, units=day.units + {times} * order.units,",
    )


class Release:
    """One release's code, run against the servers that `environment` names."""

    def __init__(self, folder: Path, environment: Mapping[str, str], logs: Path) -> None:
        self.folder = folder
        self._logs = logs
        self._environment = {**environment, "PYTHONPATH": str(folder), "ORDERS_HOME": str(logs)}

    def service(self, module: str) -> ServiceProcess:
        """A service of this release, not started."""
        log = self._logs / f"{self.folder.name}-{module}.log"
        return ServiceProcess(module, self._environment, log, checkout=self.folder)

    def run(self, *arguments: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """`./orders ARGUMENTS` of this release; whatever it ends with."""
        command = [sys.executable, "-m", "order_service", *arguments]
        environment = {**os.environ, **self._environment}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)


def changed_release(folder: Path, *changes: Change, newer: int = 1) -> Path:
    """A copy of the checkout's packages with these changes, and a fold version that is higher by `newer`."""
    for package in PACKAGES:
        shutil.copytree(CHECKOUT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    version = ("projections/tables/registry.py", f"FOLD_VERSION = {FOLD_VERSION}\n", f"FOLD_VERSION = {FOLD_VERSION + newer}\n")
    for name, before, after in (version, *changes):
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name} does not hold {before!r} once"
        (folder / name).write_text(text.replace(before, after), encoding="utf-8")
    return folder
