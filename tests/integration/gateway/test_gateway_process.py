"""The gateway on a real broker: from the POST to the read model, and through outages."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from event_schemas.decoding import decode_command
from event_schemas.topics import COMMANDS
from tests.integration.gateway.conftest import ORDER, Stack
from tests.support.service_process import ServiceProcess, eventually, free_port
from tests.support.topics import read_topic

JSON = {"content-type": "application/json"}


async def commands_of(stack: Stack, order_id: str) -> list[str]:
    """Ids of the commands that stand in the topic for an order."""
    records = await read_topic(stack.settings, COMMANDS, 4)
    return [str(decode_command(record.value).id) for record in records if record.key == order_id.encode()]


async def test_an_order_is_taken_decided_and_read(client: httpx.AsyncClient, stack: Stack, workers: list[ServiceProcess]):
    answer = await client.post("/orders", json=ORDER, headers={"idempotency-key": str(uuid4())})
    order_id = answer.json()["order_id"]

    async def is_read() -> bool:
        return (await client.get(f"/orders/{order_id}")).status_code == 200

    await eventually(is_read, 20)
    assert (await client.get(f"/orders/{order_id}")).json()["total"] == "9.00"
    assert await commands_of(stack, order_id) == [answer.json()["command_id"]]


BAD = {
    "no JSON": (b"{", JSON, 400),
    "an unknown field": (b'{"customer_id":"a","currency":"EUR","lines":[{"sku":"a","quantity":1,"unit_price":"1"}],"x":1}', JSON, 422),
    "a boolean quantity": (b'{"customer_id":"a","currency":"EUR","lines":[{"sku":"a","quantity":true,"unit_price":"1"}]}', JSON, 422),
    "300 KiB": (b" " * 300 * 1024, JSON, 413),
    "text": (b"{}", {"content-type": "text/plain"}, 415),
}


async def test_bad_input_leaves_nothing_in_the_topic(client: httpx.AsyncClient, stack: Stack):
    before = len(await read_topic(stack.settings, COMMANDS, 4))
    for body, headers, status in BAD.values():
        assert (await client.post("/orders", content=body, headers=headers)).status_code == status
    assert len(await read_topic(stack.settings, COMMANDS, 4)) == before


async def test_a_body_without_end_is_answered_before_its_end(stack: Stack, gateway: ServiceProcess):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(stack.environment["ORDERS_HTTP_PORT"]))
    writer.write(b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 5)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"body_too_large" in answer


@pytest.mark.parametrize("size", [300 * 1024, 20 * 1024 * 1024])
async def test_a_large_body_is_answered_to_clients_that_listen_only_afterwards(client: httpx.AsyncClient, size: int):
    answers = [await client.post("/orders", content=b" " * size, headers=JSON) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [413] * 3


async def test_the_broker_goes_and_comes_back(client: httpx.AsyncClient, stack: Stack):
    (broker,) = stack.kafka.brokers
    await asyncio.to_thread(broker.kill)
    problems = []
    for key in (None, f"mine-{uuid4()}"):
        async with asyncio.timeout(20):  # far from 5 s, the promise, and from the 40 s of a producer left to itself
            answer = await client.post("/orders", json=ORDER, headers={"idempotency-key": key} if key else {})
        assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
        assert key in (None, answer.json()["idempotency_key"])
        problems.append(answer.json())

    assert (await client.get("/health/live")).status_code == 200
    waiting = await client.get("/health/ready")
    assert (waiting.status_code, waiting.json()["state"]) == (503, "waiting")

    await asyncio.to_thread(broker.start)

    async def takes_orders() -> bool:
        return (await client.post("/orders", json=ORDER)).status_code == 202

    await eventually(takes_orders, 20)
    for problem in problems:
        retries = [(await client.post("/orders", json=ORDER, headers={"idempotency-key": problem["idempotency_key"]})) for _ in range(2)]
        assert [retry.status_code for retry in retries] == [202, 202]
        assert set(await commands_of(stack, retries[0].json()["order_id"])) == {retries[0].json()["command_id"]}


@pytest.mark.parametrize("missing", ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"])
async def test_what_is_not_configured_is_said_and_waited_for(stack: Stack, missing: str):
    environment = {**stack.environment, missing: "", "ORDERS_HTTP_PORT": str(free_port())}
    process = ServiceProcess("gateway", environment, stack.folder / f"without-{missing}.log").start()
    try:
        assert missing in str(await process.until("waiting"))
        assert process.stop(3) == 0
    finally:
        process.end()


async def test_a_port_in_use_is_named_with_its_setting(stack: Stack, gateway: ServiceProcess):
    second = stack.service("gateway", "second").start()
    assert second.process is not None
    assert second.process.wait(15) == 1
    assert "change ORDERS_HTTP_PORT" in second.log.read_text()


async def test_it_stops_within_three_seconds(stack: Stack, workers: list[ServiceProcess]):
    environment = {**stack.environment, "ORDERS_HTTP_PORT": str(free_port())}
    process = ServiceProcess("gateway", environment, stack.folder / "stopping.log").start()
    try:
        await process.until("running")
        assert process.stop(3) == 0
        assert "Traceback" not in process.log.read_text()
    finally:
        process.end()


async def test_the_feed_is_streamed_snapshot_first_and_ends_with_a_word_when_the_gateway_stops(stack: Stack, workers: list[ServiceProcess]):
    url = f"http://127.0.0.1:{free_port()}"
    environment = {**stack.environment, "ORDERS_HTTP_PORT": url.rpartition(":")[2]}
    process = ServiceProcess("gateway", environment, stack.folder / "streaming.log").start()
    try:
        await process.until("running")
        wait = {"Prefer": "wait=10, for=visible"}
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            order_id = (await client.post("/orders", json=ORDER, headers=wait)).json()["order_id"]
            async with client.stream("GET", "/feed", params={"order_id": order_id, "snapshot": "true"}) as stream:
                lines = stream.aiter_lines()
                assert [name async for name in _names(lines, "caught_up")] == ["subscribed", "snapshot", "caught_up"]
                assert (await client.post(f"/orders/{order_id}/ship", json={"tracking_number": "T"}, headers=wait)).status_code == 200
                assert [name async for name in _names(lines, "event") if name != "heartbeat"] == ["event"]
                stopped = asyncio.create_task(asyncio.to_thread(process.stop, 5))
                assert [name async for name in _names(lines, "closing") if name != "heartbeat"] == ["closing"]
        assert await stopped == 0
    finally:
        process.end()


async def _names(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    """The names of a stream's next events, up to one of this name."""
    async for line in lines:
        if line.startswith("event: "):
            yield line.removeprefix("event: ")
            if line == f"event: {last}":
                return
