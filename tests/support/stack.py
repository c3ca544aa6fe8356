"""A whole stack of the product's own making, on free ports and in a folder of its own, driven as a user drives it."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.embedded import jar_folder
from tests.support.service_process import CHECKOUT, free_port

_NOT_FOR_THE_STACK = ("KAFKA_", "DATABASE_URL", "ORDERS_")


class Stack:
    """`./orders`, bound to one ORDERS_HOME."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.program: list[str | Path] = [CHECKOUT / "orders"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_THE_STACK)}
        self.environment = {
            **inherited,
            "ORDERS_HOME": str(home),
            "ORDERS_CACHE": str(jar_folder().parent),
            "ORDERS_HTTP_PORT": str(free_port()),
            "ORDERS_FEED_PORT": str(free_port()),
            "ORDERS_KAFKA_PORT": str(free_port()),
            "ORDERS_POSTGRES_PORT": str(free_port()),
            **settings,
        }
        self.http = f"http://127.0.0.1:{self.environment['ORDERS_HTTP_PORT']}"
        self.feed = f"ws://127.0.0.1:{self.environment['ORDERS_FEED_PORT']}/feed"

    def run(self, *arguments: str, timeout_s: float = 120.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`./orders ARGUMENTS`; what it printed. Fails the test when it does not exit 0, unless `check` is off."""
        done = subprocess.run(
            [*self.program, *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert not check or done.returncode == 0, f"./orders {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--detach", *arguments, timeout_s=180)

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json", check=False).stdout)  # type: ignore[no-any-return]

    def pids(self, services: Sequence[str] = ()) -> list[int]:
        """The working processes, of all services or of these."""
        found = self.status()["services"]
        return [pid for name, service in found.items() if not services or name in services for pid in service["pids"]]

    def stop(self) -> None:
        self.run("down", timeout_s=60)
