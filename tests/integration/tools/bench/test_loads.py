"""The loads on the feed and the search for the knee once each, with next to nothing to do."""

from pathlib import Path

import pytest
import uvloop

from tests.support.embedded import jar_folder
from tools.bench.feed_load.loads import LOADS
from tools.bench.process import BenchHome
from tools.bench.run import keep_load, run_load
from tools.bench.servers import Servers
from tools.bench.sizes import TINY_LOAD
from tools.bench.stack_load import knee as knee_module
from tools.bench.stack_load.knee import knee

_TIMED = ("p99", "after", "times", "memory", "a second")
"""What a busy machine may miss."""


@pytest.mark.timeout(300)
def test_every_load_on_the_feed_keeps_its_promises() -> None:
    home = BenchHome()
    try:
        with Servers(home, jar_folder()) as servers:
            for name, load in LOADS.items():
                for finding in uvloop.run(load(servers, TINY_LOAD)):
                    assert finding.stands or any(word in finding.what for word in _TIMED), f"{name}: {finding}"
    finally:
        home.end()


@pytest.mark.timeout(300)
def test_the_knee_is_held_overloaded_and_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(knee_module, "_OVERLOAD_S", 1.0)
    told: list[str] = []
    result = run_load("knee", lambda servers: knee(servers, rate=20, seconds=2.0, tell=told.append), jar_folder())
    said = {finding.what: finding for finding in result.findings}
    assert said["errors"].value == 0
    assert said["beyond it: accepted, but its frame did not come"].value == 0
    assert said["CPU of gateway an order"].value >= 0
    assert len(told) == 2
    assert keep_load(result, tmp_path).exists()
