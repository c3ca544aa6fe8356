"""A snapshot and what comes after it are the read model, whatever is written meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect

from infra.event_log.tail import LogTail
from infra.process.health import Health
from infra.process.settings import Settings
from notifier.websocket.server import FeedServer
from tests.integration.gateway.conftest import ORDER, Stack
from tests.support.service_process import ServiceProcess

CUSTOMERS = ("ada", "bob")
_WRITES = 150
_STATUS = {"OrderCreated": "created", "OrderShipped": "shipped", "OrderCancelled": "cancelled"}


@pytest.fixture
async def feed_url(stack: Stack) -> AsyncIterator[str]:
    """A feed beside the gateway, which it finds by its setting."""
    settings = Settings(**stack.environment)
    tail = LogTail(settings, "test-notifier", health=Health("notifier"))
    server = FeedServer(settings, tail)
    await tail.start()
    yield f"ws://127.0.0.1:{await server.start(0)}/feed"
    await server.stop()
    await tail.stop()


class Follower:
    """Builds its customer's orders from a snapshot and the events after it, and drops the versions that it holds."""

    def __init__(self, url: str, customer_id: str) -> None:
        self.url, self.customer_id = url, customer_id
        self.orders: dict[str, tuple[int, str]] = {}
        self.pieces = 0
        self.dropped = 0

    async def follow(self) -> None:
        """Until cancelled."""
        async with connect(self.url, compression=None, max_size=None) as connection:
            await connection.send(
                orjson.dumps({"type": "subscribe", "snapshot": True, "filter": {"customer_id": self.customer_id}}).decode()
            )
            async for message in connection:
                self.take(orjson.loads(message))

    def take(self, frame: dict[str, Any]) -> None:
        """One frame."""
        match frame["type"]:
            case "snapshot":
                self.pieces += 1
                self.orders |= {order["order_id"]: (order["version"], order["status"]) for order in frame["orders"]}
            case "event" if frame["event"]["type"] in _STATUS:
                event = frame["event"]
                held = self.orders.get(event["order_id"], (0, ""))[0]
                self.dropped += event["version"] <= held
                if event["version"] > held:
                    assert event["version"] == held + 1, "an event is missing"
                    self.orders[event["order_id"]] = (event["version"], _STATUS[event["type"]])
            case "error" | "reset":
                raise AssertionError(frame)


async def write(client: httpx.AsyncClient, chance: random.Random, orders: list[str]) -> None:
    """One command of some kind."""
    kind = chance.random()
    if kind < 0.5 or not orders:
        answer = await client.post("/orders", json={**ORDER, "customer_id": chance.choice(CUSTOMERS)}, headers={"Prefer": "wait=10"})
        assert answer.status_code == 201
        orders.append(answer.json()["order_id"])
    elif kind < 0.75:
        await client.post(f"/orders/{chance.choice(orders)}/ship", json={"tracking_number": "T"}, headers={"Prefer": "wait=10"})
    else:
        await client.post(f"/orders/{chance.choice(orders)}/cancel", json={"reason": "R"}, headers={"Prefer": "wait=10"})


async def read_model(client: httpx.AsyncClient, customer_id: str, position: str) -> dict[str, tuple[int, str]]:
    """All orders of a customer, page by page."""
    found, cursor = {}, None
    while True:
        query = {"customer_id": customer_id, "limit": "200", "position": position} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/orders", params=query)).json()
        found |= {order["order_id"]: (order["version"], order["status"]) for order in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def test_snapshot_and_live_are_the_read_model(
    client: httpx.AsyncClient, workers: list[ServiceProcess], feed_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.order_pages._PAGE", 7)
    monkeypatch.setattr("notifier.order_pages.PIECE_BYTES", 1_000)
    chance, orders, followers, following = random.Random(1), [], [], []
    for number in range(_WRITES):
        if number % 10 == 9:
            followers.append(Follower(feed_url, CUSTOMERS[number // 10 % 2]))
            following.append(asyncio.create_task(followers[-1].follow()))
        await asyncio.gather(*[write(client, chance, orders) for _ in range(3)])
    last = await client.post("/orders", json={**ORDER, "customer_id": "eve"}, headers={"Prefer": "wait=10, for=visible"})
    position = (await client.get(f"/orders/{last.json()['order_id']}", params={"position": last.json()["position"]})).headers[
        "Orders-Position"
    ]
    expected = {name: await read_model(client, name, position) for name in CUSTOMERS}

    async with asyncio.timeout(20):
        while any(follower.orders != expected[follower.customer_id] for follower in followers):
            await asyncio.sleep(0.05)
            for task in following:
                assert not task.done() or task.result()
    assert sum(follower.pieces > 1 for follower in followers) > 5
    for task in following:
        task.cancel()
    assert len(expected["ada"]) > 50
