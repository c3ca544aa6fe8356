"""Starting, ending and waiting for one process."""

import signal
import time
from pathlib import Path

import pytest

from tools.local_stack.process import FOLDER, Launch, ServerFailed, ServerProcess, last_lines


def process(tmp_path: Path, script: str, **more: object) -> ServerProcess:
    return ServerProcess(Launch(("/bin/sh", "-c", script), **more), tmp_path / "log")  # type: ignore[arg-type]


def test_it_ends_when_asked_and_when_not(tmp_path: Path) -> None:
    willing, stubborn = process(tmp_path, "exec sleep 60"), process(tmp_path, "trap '' TERM; while :; do sleep 0.05; done")
    for server, code in ((willing, -signal.SIGTERM), (stubborn, -signal.SIGKILL)):
        server.start()
        time.sleep(0.1)  # the shell sets its trap
        server.stop(grace_s=0.3)
        assert (server.pid, server.exit_code) == (None, code)


def test_a_frozen_process_ends_too(tmp_path: Path) -> None:
    server = process(tmp_path, "exec sleep 60")
    server.start()
    server.signal(signal.SIGSTOP)
    server.stop(grace_s=5)
    assert server.exit_code == -signal.SIGTERM


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    server = process(tmp_path, "echo no space left; exit 3")
    server.start()
    with pytest.raises(ServerFailed, match="code 3:\nno space left"):
        server.wait_until(lambda: False, 10)


def test_a_folder_is_handed_over_open(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "file").write_text("reached")
    launch = Launch(("/bin/cat", f"{FOLDER}/file"), open_folder=tmp_path / "inside")
    assert launch.popen(tmp_path / "log").wait(10) == 0
    assert last_lines(tmp_path / "log") == "reached"


def test_last_lines_of_no_log(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none") == ""
