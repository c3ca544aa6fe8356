"""What people and programs are told about a stack."""

import pytest

from order_service.stack.process_identity import ProcessIdentity
from order_service.stack.record import SERVICES, ProcessRecord, StackRecord, State, Urls
from order_service.stack.status import masked, service_status


def process(service: str, state: State, number: int = 1, restarts: int = 0) -> ProcessRecord:
    name = service if number == 1 else f"{service}-{number}"
    return ProcessRecord(name=name, service=service, state=state, restarts=restarts, process=ProcessIdentity(number, 0.0))


def record(*processes: ProcessRecord) -> StackRecord:
    urls = Urls(http="h", feed="f", kafka=None, postgres=None)
    return StackRecord(supervisor=ProcessIdentity(1, 0.0), workers=1, urls=urls, processes=list(processes))


def test_ready_when_every_process_of_every_service_runs() -> None:
    all_running = [process(name, "running") for name in SERVICES]
    assert record(*all_running).ready
    assert not record(*all_running[1:]).ready
    assert not record(*all_running, process("projections", "starting", 2)).ready


def test_a_service_is_as_well_as_its_worst_instance() -> None:
    found = service_status([process("projections", "running", 1, 2), process("projections", "waiting", 2, 1)], guest_pids=[99], held=True)
    assert (found["state"], found["restarts"], found["pids"]) == ("waiting", 3, [1, 2, 99])


def test_a_service_without_process_starts_or_is_stopped() -> None:
    assert service_status([], [], held=True)["state"] == "starting"
    assert service_status([], [], held=False)["state"] == "stopped"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://orders:s3c:ret@127.0.0.1:1/orders", "postgresql://orders:****@127.0.0.1:1/orders"),
        ("postgresql://127.0.0.1/orders", "postgresql://127.0.0.1/orders"),
        ("host=h password=secret dbname=d", "host=h password=**** dbname=d"),
        ("host=h password='se cret' dbname=d", "host=h password=**** dbname=d"),
        ("postgresql://h/d?user=u&password=secret&sslmode=require", "postgresql://h/d?user=u&password=****&sslmode=require"),
        (None, "-"),
    ],
)
def test_passwords_are_masked(url: str | None, shown: str) -> None:
    assert masked(url) == shown
