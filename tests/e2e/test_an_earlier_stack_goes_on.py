"""A stack that an earlier release has filled, and that holds commands which it never decided, goes on with this one.

Kept for every later change: what a client was told by the earlier release stays true.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from event_schemas.topics import EVENTS
from infra.kafka.topic_guard import check_topics, find_topics
from infra.process.settings import Settings
from order_aggregate.snapshots import Snapshots
from tests.support.earlier_release import earlier_stack, export
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(400)
LINES = [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]
ORDERS = 60
TRACE = f"00-{'1' * 32}-{'2' * 16}-01-"
_TOLD = ("command_id", "order_id", "version", "position", "code")


@dataclass
class Sent:
    """A request under a key, and what was answered."""

    path: str
    key: str
    body: dict[str, Any]
    status: int
    told: dict[str, Any]


@dataclass
class Filled:
    """What the earlier release said to its clients."""

    stack: Stack
    sent: list[Sent] = field(default_factory=list)
    submitted: str = ""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    position: str = ""
    resume: str = ""
    seen: int = 0
    generations: list[tuple[str, str]] = field(default_factory=list)
    snapshots: set[int] = field(default_factory=set)
    log: dict[str, str] = field(default_factory=dict)
    waiting: str = ""
    waiting_at: str = ""
    behind_it: str = ""


def _client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.http, timeout=40)


def _send(client: httpx.Client, path: str, key: str, body: dict[str, Any]) -> Sent:
    answer = client.post(path, json=body, headers={"Idempotency-Key": key, "Prefer": "wait=20"})
    return Sent(path, key, body, answer.status_code, {name: answer.json().get(name) for name in _TOLD})


def _fill(client: httpx.Client, filled: Filled) -> None:
    """Orders of ten customers; every fourth is shipped, every fourth cancelled, and some of them asked for once more in vain."""
    for number in range(ORDERS):
        placed = _send(client, "/orders", f"place-{number}", {"customer_id": f"old-{number % 10}", "currency": "EUR", "lines": LINES})
        filled.sent.append(placed)
        order = f"/orders/{placed.told['order_id']}"
        if number % 4 == 0:
            filled.sent.append(_send(client, f"{order}/ship", f"ship-{number}", {"tracking_number": f"1Z{number}"}))
        if number % 4 == 1 or number % 8 == 0:
            filled.sent.append(_send(client, f"{order}/cancel", f"cancel-{number}", {"reason": "too late"}))
    assert {sent.status for sent in filled.sent} == {201, 200, 409}


def _remember(client: httpx.Client, filled: Filled) -> None:
    filled.submitted = client.post("/orders", json={"customer_id": "old-0", "currency": "EUR", "lines": LINES}).headers["location"]
    last = client.get(filled.submitted, headers={"Prefer": "wait=20"}).json()
    filled.position = last["position"]
    for order_id in {sent.told["order_id"] for sent in filled.sent}:
        filled.orders[order_id] = client.get(f"/orders/{order_id}", params={"position": filled.position}).json()
    filled.seen, filled.resume = _watched(filled.stack, "earliest", until=len(filled.sent) + 1)
    filled.generations = _generations(filled.stack)


def _watched(stack: Stack, start: str, *, until: int) -> tuple[int, str]:
    """Events of the feed from there on, and the position after them. A reset fails."""
    events, position = 0, ""
    with connect(stack.feed, subprotocols=["orders.v1.json"]) as feed:
        feed.send(json.dumps({"type": "subscribe", "from": start}))
        while events < until:
            frame = json.loads(feed.recv(20))
            assert frame["type"] in {"subscribed", "event", "caught_up", "heartbeat"}, frame
            position = frame.get("position") or position
            events += frame["type"] == "event"
    return events, position


def _generations(stack: Stack) -> list[tuple[str, str]]:
    status = json.loads(stack.run("projections", "status", "--json").stdout)
    return [(one["schema"], one["state"]) for one in status["generations"]]


def _until(holds: Any, what: str, timeout_s: float = 60) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.1)
    return found


def _leave_waiting(client: httpx.Client, filled: Filled) -> None:
    """An order and a command behind it that the earlier release has taken and never decides."""
    for pid in filled.stack.pids(["order_aggregate"]):
        os.kill(pid, signal.SIGSTOP)
    order = {"customer_id": "old-1", "currency": "EUR", "lines": LINES}
    answer = client.post("/orders", json=order, headers={"traceparent": f"{TRACE}{'a' * 400}"})
    assert answer.status_code == 202
    filled.waiting, filled.waiting_at = answer.json()["order_id"], answer.headers["location"]
    filled.behind_it = client.post(f"/orders/{filled.waiting}/ship", json={"tracking_number": "1Z"}).headers["location"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A stack of the earlier release that was filled and stopped, and then started by this one."""
    checkout = export(tmp_path_factory.mktemp("earlier"))
    stack = Stack(tmp_path_factory.mktemp("stack"))
    earlier = earlier_stack(checkout, stack)
    found = Filled(earlier)
    try:
        earlier.start()
        with _client(earlier) as client:
            _fill(client, found)
            _remember(client, found)
            _until(lambda: len(list(stack.home.glob("snapshots/*.snapshot"))) > 3, "the earlier aggregate writes snapshots")
            _leave_waiting(client, found)
        earlier.stop()
        found.snapshots = {int(path.stem.rpartition("-")[2]) for path in stack.home.glob("snapshots/*.snapshot")}
        found.log = {path.name: path.read_text(encoding="utf-8") for path in (stack.home / "logs").glob("*.log")}
        found.stack = stack
        stack.start()
        yield found
    finally:
        found.stack.stop()


def _kafka(filled: Filled) -> Settings:
    return Settings(
        KAFKA_BOOTSTRAP_SERVERS=filled.stack.status()["urls"]["kafka"],
        ORDERS_REPLICATION=1,
        ORDERS_SNAPSHOTS=filled.stack.home / "snapshots",
    )


def _logged(filled: Filled, name: str) -> str:
    """What this release has logged."""
    return (filled.stack.home / "logs" / name).read_text(encoding="utf-8").removeprefix(filled.log.get(name, ""))


def test_it_is_ready(filled: Filled):
    assert filled.stack.status()["ready"] is True


def test_commands_that_it_took_and_never_decided_are_decided(filled: Filled):
    with _client(filled.stack) as client:
        outcomes = [client.get(place, headers={"Prefer": "wait=20"}).json() for place in (filled.waiting_at, filled.behind_it)]
        order = client.get(f"/orders/{filled.waiting}", params={"position": outcomes[1]["position"]}).json()

    assert [outcome["status"] for outcome in outcomes] == ["accepted", "accepted"]
    assert (order["status"], order["version"]) == ("shipped", 2)
    assert filled.stack.status()["services"]["order_aggregate"]["restarts"] == 0


def test_a_request_under_an_old_key_is_answered_as_it_was(filled: Filled):
    with _client(filled.stack) as client:
        for sent in filled.sent:
            headers = {"Idempotency-Key": sent.key, "Prefer": "wait=20"}
            again = client.post(sent.path, json=sent.body, headers=headers)

            assert (again.status_code, {name: again.json().get(name) for name in _TOLD}) == (sent.status, sent.told)
            assert again.headers["idempotent-replayed"] == "true"


def test_old_positions_and_places_are_good(filled: Filled):
    with _client(filled.stack) as client:
        for order_id, order in filled.orders.items():
            answer = client.get(f"/orders/{order_id}", params={"position": filled.position})
            assert (answer.status_code, answer.json()) == (200, order)
        submitted = client.get(filled.submitted)

    assert (submitted.status_code, submitted.json()["status"]) == (200, "accepted")


def test_the_feed_goes_on_where_a_client_was(filled: Filled):
    """Without a reset, with the two that came behind the position and none that came before it."""
    assert filled.seen == len(filled.sent) + 1
    with _client(filled.stack) as client:
        client.get(filled.behind_it, headers={"Prefer": "wait=20"})
    events, _ = _watched(filled.stack, filled.resume, until=2)
    assert events == 2


def test_the_read_models_are_those_that_were_there_and_right(filled: Filled):
    assert _generations(filled.stack) == filled.generations
    assert filled.stack.run("projections", "verify", "--json").returncode == 0


async def test_the_old_snapshots_are_used(filled: Filled):
    assert len(filled.snapshots) > 3
    assert "is ignored" not in _logged(filled, "order_aggregate.log")
    assert set(await Snapshots(_kafka(filled)).load(range(12))) >= filled.snapshots


async def test_the_topics_are_right(filled: Filled):
    assert await check_topics(_kafka(filled)) == []
    assert (await find_topics(_kafka(filled)))[EVENTS].overrides["min.insync.replicas"] == "1"


def test_new_orders_are_taken(filled: Filled):
    with _client(filled.stack) as client:
        placed = _send(client, "/orders", "new", {"customer_id": "new", "currency": "EUR", "lines": LINES})

    assert placed.status == 201
