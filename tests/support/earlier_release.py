"""The product as it was at an earlier commit, out of the repository's own history, to fill a stack that this checkout takes over."""

import filecmp
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.service_process import CHECKOUT
from tests.support.stack import Stack

EARLIER = "5786a5d3fe7f0a06d9508fb031ebc41bd243bb9e"
"""Before the folders were divided: every module that a service loads by name, from a snapshot or an entry point, stood elsewhere."""

_SNAPSHOTS = Path("order_aggregate/snapshots.py")
_SOONER = {"EVERY_RECORDS = 10_000": "EVERY_RECORDS = 4", "LOOK_EVERY_S = 10.0": "LOOK_EVERY_S = 0.0"}
"""Snapshots after a few records: no setting asks for one, and a stack of 120,000 orders takes minutes. What is in them stays the same."""


def export(folder: Path) -> Path:
    """The earlier checkout. Skips the test when there is no history that has the commit, such as in an unpacked archive."""
    archive = ["git", "-C", str(CHECKOUT), "archive", EARLIER]
    try:
        packed = subprocess.run(archive, capture_output=True, check=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
        pytest.skip(f"the history of {CHECKOUT} has no commit {EARLIER}: {said}")
    with tarfile.open(fileobj=io.BytesIO(packed)) as content:
        content.extractall(folder, filter="data")
    text = (folder / _SNAPSHOTS).read_text(encoding="utf-8")
    for released, sooner in _SOONER.items():
        assert text.count(released) == 1
        text = text.replace(released, sooner)
    (folder / _SNAPSHOTS).write_text(text, encoding="utf-8")
    return folder


def earlier_stack(checkout: Path, stack: Stack) -> Stack:
    """The earlier release on the same folder, ports and servers as `stack`."""
    earlier = Stack(stack.home)
    earlier.environment, earlier.http, earlier.feed = dict(stack.environment), stack.http, stack.feed
    if _same_environment(checkout):
        # Its own modules come first; the packages are the same, so that it needs no environment of its own.
        earlier.program = [sys.executable, "-P", "-m", "order_service"]
        earlier.environment |= {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    else:
        earlier.program = [checkout / "orders"]
        earlier.run("--help", timeout_s=300)
    assert _runs_from(earlier, checkout)
    return earlier


def _same_environment(checkout: Path) -> bool:
    return all(filecmp.cmp(CHECKOUT / name, checkout / name, shallow=False) for name in ("requirements.lock", "pyproject.toml"))


def _runs_from(earlier: Stack, checkout: Path) -> bool:
    """Is it the earlier code that runs?"""
    python = sys.executable if earlier.program[0] == sys.executable else str(checkout / ".venv" / "bin" / "python")
    where = [python, "-P", "-c", "import order_aggregate, order_service; print(order_aggregate.__file__, order_service.__file__)"]
    found = subprocess.run(where, env=os.environ | earlier.environment, capture_output=True, text=True, check=True, timeout=60).stdout
    return all(Path(place).is_relative_to(checkout) for place in found.split())
