"""Every part of the bench once, on servers of its own, with next to nothing to do; and nothing is left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from order_service.stack.process_identity import ProcessIdentity
from tests.support.embedded import jar_folder
from tools.bench.process import BenchHome, clear_leftovers
from tools.bench.report import as_object
from tools.bench.run import PARTS, keep, run_bench
from tools.bench.sizes import TINY


@pytest.mark.timeout(400)
def test_every_part_measures_itself_and_its_floor(tmp_path: Path) -> None:
    told: list[str] = []
    report = run_bench(list(PARTS), TINY, jar_folder=jar_folder(), tell=told.append)
    assert not report.failed
    assert [part.name for part in report.parts] == ["accept", "decide", "project", "rebuild", "feed", "path-50"]
    for part in report.parts:
        assert all(figure.median > 0 or figure.metric.unit == "µs" for figure in part.figures)
        assert all(len(figure.floor) == 1 for figure in part.figures if figure.metric.has_floor)
    assert keep(report, ["all"], tmp_path).read_text(encoding="utf-8").startswith('{\n "at": ')
    assert as_object(report)["machine"]["cores"] >= 1


def test_what_a_killed_run_left_is_cleared_up() -> None:
    script = (
        "import subprocess, sys, os\n"
        "from tools.bench.process import BenchHome\n"
        "home = BenchHome()\n"
        # With our pipe in its hands we would wait for its end.
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, stdout=-3, stderr=-3)\n"
        "home.started(child.pid)\n"
        "print(home.folder, child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    folder, pid = killed.stdout.split()
    left = ProcessIdentity.of(int(pid))
    mine = BenchHome()
    try:
        assert Path(folder) in clear_leftovers()
        assert left.find() is None
        assert not Path(folder).exists()
        assert mine.folder.exists(), "a run whose process lives is no leftover"
    finally:
        mine.end()
