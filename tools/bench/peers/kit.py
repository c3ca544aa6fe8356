"""The kit of peer benchmarks: built, asked for its orders and its look at the machine, and run, one peer and one round at a time."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

Row = dict[str, Any]
"""One round of one peer, as the kit writes it."""
_SET_UP_S = 900.0
_ROUND_S = 180.0


class KitFailed(Exception):
    """The kit could not be built or run; the text ends with what it said."""


class Kit:
    """A kit in its folder, which is left as it is: all that it builds and finds goes into `build`."""

    def __init__(self, folder: Path, build: Path, servers: Mapping[str, str]) -> None:
        self._folder, self._build = folder, build
        self.results = build / "results" / "t1.jsonl"
        uv = Path(sys.executable).with_name("uv")
        own = {"PEERS_BUILD": str(build), "PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
        self._environment = {**servers, **own, **({"UV": str(uv)} if uv.exists() else {})}

    def set_up(self) -> None:
        """Build what is not built yet. Raises KitFailed."""
        self._run(["bash", str(self._folder / "run.sh"), "setup"], _SET_UP_S)
        self.results.parent.mkdir(parents=True, exist_ok=True)

    def orders(self, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The orders of the kit's commands, with their ids; every twentieth is an earlier one."""
        for order_id, command in self._module("t1/common.py").commands(count):
            yield order_id.decode(), orjson.loads(command)

    def quiet(self) -> ModuleType:
        """The kit's look at whether the machine is left alone."""
        return self._module("quiet.py")

    def measured(self, peer: str, count: int) -> Row:
        """One round of a peer of T1. Raises KitFailed."""
        bench = [str(self._build / "venv" / "bin" / "python"), str(self._folder / "t1" / "bench.py")]
        said = self._run([*bench, "--rounds", "1", "--commands", str(count), peer], _ROUND_S)
        row: Row = json.loads(said.splitlines()[0])
        return row

    def keep(self, row: Row) -> None:
        """Add a round to the results."""
        with self.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _run(self, command: list[str], limit_s: float) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - what the user named
                command, env=self._environment, cwd=self._build, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KitFailed(f"{command[-1]}: {error}") from error
        if done.returncode:
            raise KitFailed(f"{command[-1]} ended with code {done.returncode}:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
        return done.stdout

    def _module(self, name: str) -> ModuleType:
        path = self._folder / name
        spec = importlib.util.spec_from_file_location(f"peers_{path.stem}", path)
        if spec is None or spec.loader is None or not path.exists():
            raise KitFailed(f"{self._folder} is no kit of peer benchmarks: it has no {name}")
        module = importlib.util.module_from_spec(spec)
        written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing into the kit's folder
        try:
            spec.loader.exec_module(module)
        finally:
            sys.dont_write_bytecode = written
        return module


def clean_environment() -> dict[str, str]:
    """This process's environment without what would make the kit use other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DATABASE_URL", "PEERS_"))}
