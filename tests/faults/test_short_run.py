"""The fault kit on the real stack, briefly: every kind of fault, every check. `./orders faults --minutes 60` is the long run."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.embedded import jar_folder
from tests.support.service_process import CHECKOUT
from tools.faults.kit_stack import clear_leftovers

_SEED = "35"
"""Within the short run its schedule has every kind of fault."""
pytestmark = pytest.mark.timeout(900)


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`./orders faults`, whose home will be in this folder."""
    environment = {**os.environ, "TMPDIR": str(folder), "ORDERS_CACHE": str(jar_folder().parent)}
    command = [CHECKOUT / "orders", "faults", "--seed", _SEED, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _until_it_says(kit: subprocess.Popen[str], text: str) -> str:
    """What it said up to and including this text."""
    said = ""
    assert kit.stderr is not None
    while text not in said:
        line = kit.stderr.readline()
        assert line, f"the kit ended with {kit.wait()} before it said {text!r}: {said}"
        said += line
    return said


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Those that were started with a home in this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in argument for argument in (*process.cmdline(), process.environ().get("ORDERS_HOME", ""))):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _until_none_is_left(folder: Path, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while left := _processes_of(folder):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.fixture
def kits() -> Iterator[list[subprocess.Popen[str]]]:
    """Kits that a test starts; those that still run at its end are told to stop."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for kit in started:
        if kit.poll() is None:
            kit.terminate()
            kit.communicate(timeout=60)


def test_every_promise_holds_whatever_is_killed(tmp_path: Path, kits: list[subprocess.Popen[str]]) -> None:
    kit = _start(tmp_path, "--minutes", "1.25", "--every", "4", "--rate", "25", "--json")
    kits.append(kit)
    said, told = kit.communicate(timeout=850)

    assert kit.returncode == 0, f"{told}\n{said}"
    verdict = json.loads(said)
    counts = verdict["counts"]
    assert verdict["verdict"] == "PASS"
    assert all(check["passed"] and check["looked_at"] for check in verdict["checks"].values())
    assert set(counts["kills"]) == {"gateway", "order_aggregate", "projections", "notifier", "kafka", "postgres"}
    assert counts["freezes"] >= 2
    assert counts["stops"] >= 2
    assert counts["scalings"] >= 2
    assert counts["answered"] > 1000
    assert not _processes_of(tmp_path)
    assert not list(tmp_path.glob("orders-faults-*"))


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, kits: list[subprocess.Popen[str]]) -> None:
    kit = _start(tmp_path)
    kits.append(kit)
    _until_it_says(kit, "seed")
    time.sleep(2.0)  # it is in the middle of starting its stack
    kit.send_signal(signal.SIGINT)
    kit.communicate(timeout=60)

    assert kit.returncode == 1
    _until_none_is_left(tmp_path)
    assert not list(tmp_path.glob("orders-faults-*"))


def test_a_later_run_ends_the_stack_of_a_kit_that_was_killed(
    tmp_path: Path, kits: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = _start(tmp_path)
    kits.append(kit)
    told = _until_it_says(kit, "the stack is ready")
    kit.kill()
    kit.communicate(timeout=60)
    home = re.search(r"home (\S+)", told)
    assert home is not None
    assert len(_processes_of(tmp_path)) > 8

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [str(folder) for folder in clear_leftovers()] == [home[1]]

    _until_none_is_left(tmp_path)
    assert not list(tmp_path.glob("orders-faults-*"))
