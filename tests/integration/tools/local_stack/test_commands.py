"""The commands that look at a stack or guard its start, against a fake one."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from order_service.stack.record import SERVICES
from tests.support.fake_stack import FakeStack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[FakeStack]:
    with FakeStack(tmp_path / "home") as stack:
        yield stack


def test_status_of_a_running_stack(stack: FakeStack) -> None:
    stack.started()
    asked = stack.orders("status", "--json")
    found = json.loads(asked.stdout)
    assert (asked.returncode, found["ready"]) == (0, True)
    assert tuple(found["services"]) == SERVICES
    assert found["urls"]["postgres"] == "postgresql://u:secret@127.0.0.1:4/d"
    gateway = found["services"]["gateway"]
    assert gateway.items() >= {"pids": [stack.pid("gateway")], "state": "running", "restarts": 0}.items()
    assert gateway["metrics"].startswith("http://127.0.0.1:")


def test_status_for_people_hides_the_password(stack: FakeStack) -> None:
    stack.started()
    shown = stack.orders("status").stdout
    assert "secret" not in shown
    assert "postgresql://u:****@127.0.0.1:4/d" in shown


def test_status_without_a_stack(stack: FakeStack) -> None:
    asked = stack.orders("status", "--json")
    found = json.loads(asked.stdout)
    assert (asked.returncode, found["ready"]) == (1, False)
    assert {service["state"] for service in found["services"].values()} == {"stopped"}


def test_up_on_a_running_stack_shows_it(stack: FakeStack) -> None:
    stack.started()
    again = stack.orders("up", "--detach")
    assert again.returncode == 0
    assert again.stdout.startswith("running already")


def test_up_with_another_number_of_workers_scales(stack: FakeStack) -> None:
    stack.started()
    assert "from now on 2" in stack.orders("up", "--workers", "2").stdout
    stack.until(lambda record: record.ready and record.workers == 2 and any(p.name == "projections-2" for p in record.processes))


@pytest.mark.parametrize("variable", ["ORDERS_HTTP_PORT", "ORDERS_FEED_PORT", "ORDERS_KAFKA_PORT", "ORDERS_POSTGRES_PORT"])
def test_a_port_in_use_stops_up_before_anything_starts(stack: FakeStack, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv(variable, str(port))
        refused = stack.orders("up", "--detach")
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert variable in refused.stderr
    assert not stack.folder.logs.exists()


def test_two_brokers_are_wrong_use(stack: FakeStack) -> None:
    assert stack.orders("up", "--brokers", "2").returncode == 2


def test_logs_of_one_service(stack: FakeStack) -> None:
    stack.started()
    shown = stack.orders("logs", "gateway").stdout
    assert "gateway | gateway started\n" in shown
    assert "kafka" not in shown


def test_reset_asks_and_removes(stack: FakeStack) -> None:
    stack.started()
    assert stack.orders("reset").returncode == 1  # no standard input: not confirmed
    assert stack.folder.kafka.exists()
    assert stack.orders("reset", "--yes").returncode == 0
    assert not stack.folder.kafka.exists()
    assert not stack.folder.postgres.exists()
    assert stack.living() == []


def test_serve_needs_a_stack_and_a_known_service(stack: FakeStack) -> None:
    assert stack.orders("serve", "gateway").returncode == 1
    assert stack.orders("serve", "gatewya").returncode == 2


def test_doctor_says_what_is_wrong(stack: FakeStack) -> None:
    (stack.folder.home / "notifier.waits").write_text("the feed waits for topics")
    stack.start()
    stack.until(lambda record: any(process.detail == "the feed waits for topics" for process in record.processes))
    said = stack.orders("doctor")
    assert said.returncode == 1
    assert "fail  notifier" in said.stdout
    assert "the feed waits for topics" in said.stdout
    assert "ok    Java" in said.stdout
