"""Outcomes that a client can trust, on the whole stack with things being killed: small on every run, at full size with `-m slow`.

`./orders test -m slow -s tests/e2e/test_outcomes_to_trust.py` prints the figures.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from event_schemas.topics import EVENTS
from infra.process.settings import Settings
from tests.support.raw_log import judge_log
from tests.support.service_process import ServiceProcess, eventually, free_port
from tests.support.stack import Stack
from tests.support.topics import read_topic
from tests.support.trust import LINES, Client, Told, at_once, new_session

pytestmark = pytest.mark.timeout(1500)
FULL = pytest.mark.slow


@dataclass
class Two:
    """Two gateways on one stack."""

    stack: Stack
    second: ServiceProcess
    urls: list[str]


@pytest.fixture
async def two(stack: Stack, tmp_path: Path) -> AsyncIterator[Two]:
    port = str(free_port())
    urls = stack.status()["urls"]
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": urls["kafka"],
        "DATABASE_URL": urls["postgres"],
        "ORDERS_HTTP_PORT": port,
        "ORDERS_REPLICATION": "1",
    }
    second = ServiceProcess("gateway", {**stack.environment, **environment}, tmp_path / "second.log").start()
    await second.until("running", 60)
    yield Two(stack, second, [stack.http, f"http://127.0.0.1:{port}"])
    second.end()


def order_of(customer: str, **more: Any) -> dict[str, Any]:
    return {"customer_id": customer, "currency": "EUR", "lines": LINES, **more}


async def records_of(stack: Stack) -> list[Any]:
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS=stack.status()["urls"]["kafka"], ORDERS_REPLICATION=1)
    return await read_topic(settings, EVENTS, 12)


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def kill_now_and_then(two: Two, every_s: float) -> None:
    """Kill a gateway or the aggregate, over and over."""
    while True:
        for victim in ("gateway", "order_aggregate", "second gateway"):
            await asyncio.sleep(every_s)
            if victim == "second gateway":
                two.second.end()
                two.second.start()
            else:
                kill(await asyncio.to_thread(two.stack.pids, [victim]))


@pytest.mark.parametrize(("commands", "every_s"), [(300, 1.0), pytest.param(10_000, 8.0, marks=FULL)])
async def test_a_command_has_one_record_however_often_it_is_sent(two: Two, commands: int, every_s: float):
    chance, run = random.Random(commands), uuid4().hex
    sendings = [f"{run}-{number}" for number in range(commands) for _ in range(chance.randint(1, 5))]
    chance.shuffle(sendings)
    begun = time.monotonic()
    async with new_session(200) as session:
        client = Client(session, two.urls)
        killing = asyncio.create_task(kill_now_and_then(two, every_s))
        works = [
            partial(client.told, key, order_of(f"trust-{key[-3:]}"), prefer=chance.choice(["wait=30", "wait=1", None])) for key in sendings
        ]
        told: list[Told] = await at_once(works, 64)
        killing.cancel()
        seconds = time.monotonic() - begun
    by_key: dict[str, set[Told]] = defaultdict(set)
    for key, answer in zip(sendings, told, strict=True):
        by_key[key].add(answer)
    print(f"\n{commands} commands sent {len(sendings)} times in {seconds:.0f} s, {client.pending} of them first answered 202")

    assert client.server_errors == 0
    for key, answers in by_key.items():
        assert len({(one.command_id, one.order_id, one.outcome, one.version, one.position) for one in answers}) == 1, key
        assert {one.status for one in answers} <= {0, 201}, key
    ids = {answer.command_id for answer in told}
    assert len(ids) == commands
    verdict = judge_log(await records_of(two.stack), ids)
    assert verdict.clean, verdict


@pytest.mark.parametrize("keys", [50, pytest.param(1_000, marks=FULL)])
async def test_another_body_under_a_key_changes_nothing(two: Two, keys: int):
    run = uuid4().hex
    async with new_session(64) as session:
        client = Client(session, two.urls)

        async def reuse(number: int) -> None:
            key = f"{run}-{number}"
            first = await client.told(key, order_of("ada"))
            second = await client.told(key, order_of("eve"))
            assert (first.status, first.outcome) == (201, "accepted")
            assert (second.status, second.outcome, second.order_id) == (422, "idempotency_key_reused", first.order_id)
            _, order, _ = await client.answered("GET", f"/orders/{first.order_id}?position={second.position}")
            assert (order["customer_id"], order["version"]) == ("ada", 1)
            for told, status in ((first, "accepted"), (second, "rejected")):
                _, view, _ = await client.answered("GET", f"/commands/{told.command_id}?position={second.position}")
                assert (view["status"], view["position"]) == (status, told.position)

        begun = time.monotonic()
        await at_once([partial(reuse, number) for number in range(keys)], 32)
        print(f"\n{keys} keys reused in {time.monotonic() - begun:.0f} s: {keys} rejections, 0 changed orders")
        assert client.server_errors == 0


async def _gauge(client: Client, gateway: str, name: str) -> float:
    async with client.session.get(f"{gateway}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@pytest.mark.parametrize("clients", [200, pytest.param(2_000, marks=FULL)])
async def test_all_who_wait_at_once_get_their_answer(two: Two, clients: int):
    """While the aggregate is away they gather; when it is back, each gets its own order, and nothing is left."""
    gateway = two.urls[0]
    (aggregate,) = two.stack.pids(["order_aggregate"])
    most = 0.0
    async with new_session(clients + 10) as session:
        client = Client(session, [gateway])
        kill([aggregate])
        works = [client.told(str(uuid4()), order_of(f"waiter-{number}")) for number in range(clients)]
        waiting = [asyncio.create_task(work) for work in works]
        while not all(task.done() for task in waiting):
            most = max(most, await _gauge(client, gateway, "orders_waiting_requests"))
            await asyncio.sleep(0.2)
        told = [task.result() for task in waiting]

        async def nobody_waits() -> bool:
            gauges = [await _gauge(client, gateway, name) for name in ("orders_waiting_requests", "orders_reads_waiting")]
            return gauges == [0, 0]

        await eventually(nobody_waits, 10)
        (pid,) = two.stack.pids(["gateway"])
        mib = psutil.Process(pid).memory_full_info().pss / 2**20
        print(f"\n{clients} clients waited, {most:.0f} seen at once, {client.pending} were answered 202 first; gateway {mib:.0f} MiB")
        assert mib < 250
        assert {one.outcome for one in told} == {"accepted"}
        assert len({one.command_id for one in told}) == clients
        orders = await at_once([partial(client.answered, "GET", f"/orders/{one.order_id}?position={one.position}") for one in told], 32)
        assert [order["customer_id"] for _, order, _ in orders] == [f"waiter-{number}" for number in range(clients)]


@pytest.mark.parametrize("checks", [100, pytest.param(10_000, marks=FULL)])
async def test_what_was_written_is_read(two: Two, checks: int):
    """Each check has a customer and a day of its own, so that a stale sum shows."""
    run, read = uuid4().hex[:8], 0
    async with new_session(64) as session:
        client = Client(session, two.urls)

        async def check(number: int) -> None:
            nonlocal read
            customer, day = f"{run}-{number}", date(1900 + number // 250 % 90, 1, 1) + timedelta(days=number % 250)
            _, before, _ = await client.answered("GET", f"/sales?from={day}&to={day}")
            prefer = "wait=30, for=visible" if number % 10 == 0 else "wait=30"
            status, body, location = await client.answered(
                "POST", "/orders", {"Prefer": prefer}, order_of(customer, ordered_at=f"{day}T12:00:00Z")
            )
            if status == 202:
                _, body, _ = await client.answered("GET", location, {"Prefer": "wait=30"})
            position = "" if body.get("visible") else f"position={body['position']}"
            paths = {
                f"/orders/{body['order_id']}?{position}": lambda found: found["version"] == 1,
                f"/orders/{body['order_id']}/events?{position}": lambda found: len(found["items"]) == 1,
                f"/orders?customer_id={customer}&{position}": lambda found: len(found["items"]) == 1,
                f"/customers/{customer}?{position}": lambda found: found["orders"] == 1,
                f"/sales?from={day}&to={day}&{position}": lambda found: found["items"][0]["orders"] > _orders(before),
                f"/commands/{body['command_id']}?{position}": lambda found: set(found["projections"].values()) == {"visible"},
            }
            for path, fresh in paths.items():
                found_status, found, _ = await client.answered("GET", path)
                assert found_status == 200, (path, found)
                assert fresh(found), (path, found)
                read += 1

        begun = time.monotonic()
        await at_once([partial(check, number) for number in range(checks)], 32)
        print(f"\n{checks} writes read on 6 paths each: {read} reads, 0 stale, in {time.monotonic() - begun:.0f} s")
        assert client.server_errors == 0


def _orders(sales: dict[str, Any]) -> int:
    return int(sum(item["orders"] for item in sales["items"]))


def test_the_trace_of_a_command_an_order_and_a_correlation(stack: Stack):
    headers = {"Prefer": "wait=30, for=visible", "X-Correlation-Id": f"cart {uuid4()}"}
    told = httpx.post(f"{stack.http}/orders", json=order_of("ada"), headers=headers, timeout=40).json()

    for wanted in (told["command_id"], told["order_id"], headers["X-Correlation-Id"]):
        (item,) = json.loads(stack.run("trace", wanted, "--json").stdout)["items"]
        assert (item["command_id"], item["position"], item["status"]) == (told["command_id"], told["position"], "accepted")
        assert set(item["projections"].values()) == {"visible"}
    assert "decided" in stack.run("trace", told["order_id"]).stdout
    assert stack.run("trace", "unheard-of", check=False).returncode == 1
    assert stack.run("trace", "x" * 201, check=False).returncode == 2
    assert stack.run("trace", check=False).returncode == 2
