"""Snapshot, then live: what the query API is asked, what the client is sent, and what it is told when there is no answer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from event_schemas.positions import Position
from tests.support.records import created, shipped
from tests.unit.notifier.memory_feed import MemoryFeed, RawClient, StartFeed


@dataclass
class Gateway:
    """Answers as the query API does, with what it is given."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    position: str | None = None
    page: int = 2
    fails_from: int = 1_000
    asked: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    async def list_orders(self, request: web.Request) -> web.Response:
        """`GET /orders`."""
        self.asked.append(dict(request.query))
        if len(self.asked) >= self.fails_from:
            return web.json_response({"code": "read_model_unavailable"}, status=503)
        begin = int(request.query.get("cursor", "0"))
        found = [order for order in self.orders if order["customer_id"] == request.query["customer_id"]]
        rest = found[begin + self.page :]
        body = {"items": found[begin : begin + self.page], "next_cursor": str(begin + self.page) if rest else None}
        return web.json_response(body, headers=self.headers)

    async def get_order(self, request: web.Request) -> web.Response:
        """`GET /orders/{id}`."""
        for order in self.orders:
            if order["order_id"] == request.match_info["id"]:
                return web.json_response(order, headers=self.headers)
        return web.json_response({"code": "order_not_found"}, status=404, headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        """How fresh it is."""
        return {} if self.position is None else {"Orders-Position": self.position}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Listening."""
    made = Gateway()
    app = web.Application()
    app.add_routes([web.get("/orders", made.list_orders), web.get("/orders/{id}", made.get_order)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def feed(gateway: Gateway, start_feed: StartFeed) -> MemoryFeed:
    """A feed that asks it; two orders of ada's and one of bob's stand in the log."""
    return await start_feed(ORDERS_GATEWAY_URL=f"http://127.0.0.1:{gateway.port}/")


def order(customer_id: str = "ada", **more: Any) -> dict[str, Any]:
    """As the query API shows one."""
    return {"order_id": str(uuid4()), "customer_id": customer_id, "version": 1, **more}


def position(feed: MemoryFeed, *next_offsets: int) -> str:
    """In its log."""
    return Position.of(feed.log.identity, dict(enumerate(next_offsets))).token()


async def subscribe(feed: MemoryFeed, **more: Any) -> RawClient:
    """With a snapshot."""
    raw = await RawClient.connect(feed.port)
    await raw.say(type="subscribe", snapshot=True, **more)
    return raw


async def test_orders_first_then_the_records_from_where_they_were_read(feed: MemoryFeed, gateway: Gateway) -> None:
    first, second = created(), created()
    feed.log.show(0, first, created(customer_id="bob"))
    feed.log.show(1, second, shipped(second.order_id))
    gateway.orders = [order(), order("bob"), order(), order(reference="ü"), order(), order()]
    gateway.position = position(feed, 2, 1)
    raw = await subscribe(feed, id="mine", filter={"customer_id": "ada"})

    assert (await raw.next()).json() == {"type": "subscribed", "id": "mine", "position": gateway.position}
    pieces = [(await raw.next()).json() for _ in range(3)]
    assert [piece["type"] for piece in pieces] == ["snapshot"] * 3
    assert [piece["more"] for piece in pieces] == [True, True, False]
    assert {(piece["id"], piece["position"]) for piece in pieces} == {("mine", gateway.position)}
    assert [found for piece in pieces for found in piece["orders"]] == [one for one in gateway.orders if one["customer_id"] == "ada"]
    event = (await raw.next()).json()
    assert (event["seq"], event["event"]["type"], event["event"]["order_id"]) == (1, "OrderShipped", str(second.order_id))
    assert (await raw.next()).json()["type"] == "caught_up"
    assert [asked.get("position") for asked in gateway.asked] == [None, gateway.position, gateway.position]


async def test_one_order_with_or_without_its_customer(feed: MemoryFeed, gateway: Gateway) -> None:
    mine = order()
    gateway.orders, gateway.position = [mine], position(feed, 0, 0)
    for wanted, orders in [
        ({"order_id": mine["order_id"]}, [mine]),
        ({"order_id": mine["order_id"], "customer_id": "ada"}, [mine]),
        ({"order_id": mine["order_id"], "customer_id": "bob"}, []),
        ({"order_id": str(uuid4())}, []),
        ({"customer_id": "nobody"}, []),
    ]:
        raw = await subscribe(feed, filter=wanted)
        snapshot = await raw.until("snapshot")
        assert (snapshot["orders"], snapshot["more"]) == (orders, False)
        await raw.until("caught_up")


@pytest.mark.parametrize(
    ("request_parts", "named"),
    [
        ({}, "snapshot: needs filter.customer_id"),
        ({"filter": {"types": ["OrderCreated"]}}, "snapshot: needs filter.customer_id"),
        ({"filter": {"customer_id": "ada"}, "start": "earliest"}, "from: leave it out"),
        ({"filter": {"customer_id": "ada", "types": []}}, "filter.types"),
        ({"filter": {"customer_id": "ada", "types": ["OrderLost"]}}, "filter.types.0"),
    ],
)
async def test_what_can_not_be_a_snapshot_is_refused_by_name(feed: MemoryFeed, request_parts: dict[str, Any], named: str) -> None:
    raw = await subscribe(feed, **request_parts)
    error = (await raw.next()).json()
    assert (error["type"], error["code"]) == ("error", "validation_failed")
    assert named in error["detail"]


async def test_without_an_answer_nothing_is_begun(feed: MemoryFeed, gateway: Gateway) -> None:
    gateway.fails_from = 1
    raw = await subscribe(feed, filter={"customer_id": "ada"})
    error = (await raw.next()).json()
    assert (error["type"], error["code"]) == ("error", "snapshot_unavailable")
    assert "503 read_model_unavailable" in error["detail"]
    assert feed.server.subscriptions == 0
    for _ in range(30):  # it is not the client's fault, however often it asks
        await raw.say(type="subscribe", snapshot=True, filter={"customer_id": "ada"})
        await raw.until("error")
    gateway.fails_from, gateway.position = 1_000, position(feed, 0, 0)
    await raw.say(type="subscribe", snapshot=True, filter={"customer_id": "ada"})
    await raw.until("caught_up")


async def test_an_answer_that_breaks_off_ends_the_subscription(feed: MemoryFeed, gateway: Gateway) -> None:
    gateway.orders, gateway.position, gateway.fails_from = [order() for _ in range(5)], position(feed, 0, 0), 2
    raw = await subscribe(feed, filter={"customer_id": "ada"})
    assert [(await raw.next()).json()["type"] for _ in range(3)] == ["subscribed", "snapshot", "error"]
    assert feed.server.subscriptions == 0


async def test_nobody_there_and_something_else_there(gateway: Gateway, feed: MemoryFeed, start_feed: StartFeed) -> None:
    alone = await start_feed(ORDERS_GATEWAY_URL="http://127.0.0.1:1")
    raw = await subscribe(alone, filter={"customer_id": "ada"})
    assert "no answer at http://127.0.0.1:1" in (await raw.next()).json()["detail"]
    raw = await subscribe(feed, filter={"customer_id": "ada"})
    assert "is not the HTTP API" in (await raw.next()).json()["detail"]


async def test_a_read_model_of_another_log_is_reset(gateway: Gateway, feed: MemoryFeed) -> None:
    gateway.position = position(await MemoryFeed.start(partitions=3), 0, 0, 0)
    raw = await subscribe(feed, filter={"customer_id": "ada"})
    assert (await raw.next()).json()["reason"] == "other_log"
