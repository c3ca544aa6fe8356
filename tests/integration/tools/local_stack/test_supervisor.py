"""The supervisor with fake services: what dies comes back, what should end ends, whatever was killed."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from order_service.stack.folder import RUNS_ALREADY
from order_service.stack.record import ScaleRequest, StackRecord, request_scale
from tests.support.fake_stack import FakeStack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[FakeStack]:
    with FakeStack(tmp_path / "home") as stack:
        yield stack


def test_servers_start_before_services(stack: FakeStack) -> None:
    (stack.folder.home / "postgres.waits").write_text("recovering")
    stack.start()
    before = stack.until(lambda record: any(p.service == "postgres" and p.state == "waiting" for p in record.processes))
    assert {process.service for process in before.processes} == {"kafka", "postgres"}
    (stack.folder.home / "postgres.waits").unlink()
    after = stack.until(lambda record: record.ready)
    assert [process.name for process in after.processes] == ["kafka", "postgres", "gateway", "order_aggregate", "projections", "notifier"]


def test_what_dies_is_started_again_and_counted(stack: FakeStack) -> None:
    stack.started()
    for name in ("projections", "kafka"):
        old = stack.pid(name)
        os.kill(old, signal.SIGKILL)
        stack.until(lambda _, name=name: stack.one(name).restarts == 1 and stack.one(name).state == "running")
        assert stack.pid(name) != old
    assert stack.one("gateway").restarts == 0


def test_restarts_come_later_each_time_and_say_why(stack: FakeStack) -> None:
    stack.started()
    (stack.folder.home / "notifier.exits").write_text("1")
    os.kill(stack.pid("notifier"), signal.SIGKILL)
    stack.until(lambda _: stack.one("notifier").restarts >= 3)
    record = stack.until(lambda _: stack.one("notifier").state == "restarting")
    assert "ended with code 1" in (stack.one("notifier").detail or "")
    assert not record.ready
    (stack.folder.home / "notifier.exits").unlink()
    stack.until(lambda record: record.ready)


def test_a_guards_exit_is_no_reason_to_wait(stack: FakeStack) -> None:
    stack.started()
    (stack.folder.home / "projections.exits").write_text("70")
    os.kill(stack.pid("projections"), signal.SIGKILL)
    stack.until(lambda _: stack.one("projections").restarts >= 4)
    said = (stack.folder.logs / "supervisor.log").read_text()
    pauses = re.findall(r"projections: ended with code 70, starts again in (\S+) s", said)
    assert pauses[:3] == ["0.2", "0.4", "0.8"]  # after the kill's 0.1; an error's would be 0.5, 1 and 2


def test_what_a_service_waits_for_is_told(stack: FakeStack) -> None:
    stack.started()
    (stack.folder.home / "gateway.waits").write_text("topic order-events is missing: run `./orders topics create`")
    stack.until(lambda _: stack.one("gateway").state == "waiting")
    shown = stack.orders("status")
    assert shown.returncode == 1
    assert "topic order-events is missing" in shown.stdout


def test_a_silent_service_waits_and_is_left_alone(stack: FakeStack) -> None:
    stack.started()
    pid = stack.pid("gateway")
    os.kill(pid, signal.SIGSTOP)
    stack.until(lambda _: stack.one("gateway").state == "waiting")
    os.kill(pid, signal.SIGCONT)
    stack.until(lambda record: record.ready)
    assert stack.pid("gateway") == pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(stack: FakeStack, number: signal.Signals) -> None:
    stack.started()
    assert stack.process
    stack.process.send_signal(number)
    assert stack.process.wait(10) == 0
    assert stack.living() == []


def test_down_ends_everything_even_what_does_not_want_to(stack: FakeStack) -> None:
    (stack.folder.home / "gateway.stays").touch()
    stack.started()
    os.kill(stack.pid("projections"), signal.SIGSTOP)
    done = stack.orders("down")
    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert stack.living() == []
    assert stack.orders("down").stdout == "nothing was running\n"


def test_down_ends_what_a_killed_supervisor_left(stack: FakeStack) -> None:
    stack.started()
    assert stack.process
    stack.process.kill()
    stack.process.wait()
    assert len(stack.living()) == 6
    assert stack.orders("status").returncode == 1
    assert "ended 6 processes" in stack.orders("down").stdout
    assert stack.living() == []


def test_down_ends_a_frozen_supervisor(stack: FakeStack) -> None:
    stack.started()
    assert stack.process
    stack.process.send_signal(signal.SIGSTOP)
    assert stack.orders("down").returncode == 0
    assert stack.living() == []


def test_the_next_start_ends_what_a_killed_supervisor_left(stack: FakeStack) -> None:
    stack.started()
    left = set(stack.living())
    assert stack.process
    stack.process.kill()
    stack.process.wait()
    stack.start()
    stack.until(lambda record: record.ready and record.supervisor.pid == (stack.process.pid if stack.process else 0))
    assert len(stack.living()) == 6
    assert not left & set(stack.living())


def test_one_supervisor_a_folder(stack: FakeStack) -> None:
    stack.started()
    with FakeStack(stack.folder.home) as other:
        other.start()
        assert other.process
        assert other.process.wait(20) == RUNS_ALREADY
        assert stack.until(lambda record: record.ready)
        other.process = None


def test_workers_are_added_and_taken_away(stack: FakeStack) -> None:
    stack.started()
    kept = stack.pid("projections")

    def names(record: StackRecord) -> set[str]:
        return {process.name for process in record.processes}

    request_scale(stack.folder, ScaleRequest(workers=3))
    stack.until(lambda record: record.ready and {"projections-3", "order_aggregate-3"} <= names(record))
    request_scale(stack.folder, ScaleRequest(workers=1))
    stack.until(lambda record: names(record).isdisjoint({"projections-2", "projections-3", "order_aggregate-2"}))
    assert stack.pid("projections") == kept
    assert len(stack.living()) == 6


def test_services_start_although_other_peoples_kafka_is_away(stack: FakeStack) -> None:
    (stack.folder.home / "kafka.elsewhere").touch()
    stack.start()
    record = stack.until(lambda record: sum(process.state == "running" for process in record.processes) == 5)
    kafka = next(process for process in record.processes if process.service == "kafka")
    assert (kafka.state, kafka.process, kafka.detail) == ("waiting", None, "no broker answers")
    assert not record.ready


def test_a_log_that_grows_too_large_is_put_aside(stack: FakeStack) -> None:
    stack.started()
    log = stack.folder.logs / "gateway.log"
    with log.open("ab") as content:
        content.write(b"x" * 10_000_001)
    deadline = time.monotonic() + 10
    while log.stat().st_size > 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (stack.folder.logs / "gateway.log.1").stat().st_size > 10_000_000
