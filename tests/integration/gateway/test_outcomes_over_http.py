"""What a client is told of its commands, on real servers: while pending, when decided, when the read models are away or behind."""

import asyncio
import signal
from uuid import uuid4

import httpx
import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from event_schemas.positions import CommandPlace, Position
from event_schemas.topics import COMMANDS, EVENTS
from infra.kafka.clients import new_admin
from tests.integration.gateway.conftest import ORDER, Stack
from tests.support.service_process import ServiceProcess, eventually, free_port
from tests.support.topics import read_topic

WAIT = {"prefer": "wait=20"}


def waited(key: str, prefer: str = "wait=20") -> dict[str, str]:
    return {"prefer": prefer, "idempotency-key": key}


def frozen(process: ServiceProcess) -> "_Frozen":
    return _Frozen(process)


class _Frozen:
    """A process that stands still, for the length of a block."""

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process

    def __enter__(self) -> None:
        self._process.send(signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        self._process.send(signal.SIGCONT)


@pytest.fixture
def aggregate(workers: list[ServiceProcess]) -> ServiceProcess:
    return workers[0]


@pytest.fixture
def projections(workers: list[ServiceProcess]) -> ServiceProcess:
    return workers[1]


async def test_an_order_is_waited_for_and_read_at_its_position(client: httpx.AsyncClient, workers: list[ServiceProcess]):
    answer = await client.post("/orders", json=ORDER, headers=WAIT)

    assert answer.status_code == 201
    order = await client.get(answer.headers["location"])
    assert (order.status_code, order.json()["order_id"], order.json()["version"]) == (200, answer.json()["order_id"], 1)
    position = answer.json()["position"]
    for path in ("/orders", "/orders?customer_id=ada", "/sales", "/customers/ada", f"/orders/{order.json()['order_id']}/events"):
        assert (await client.get(path, params={"position": position})).status_code == 200
    token = Position.parse((await client.get("/sales", params={"position": position})).headers["orders-position"])
    assert all(token.next_offsets[partition] >= offset for partition, offset in Position.parse(position).next_offsets.items())


async def test_what_is_visible_is_readable_without_a_position(client: httpx.AsyncClient, workers: list[ServiceProcess]):
    for _ in range(20):
        answer = await client.post("/orders", json=ORDER, headers={"prefer": "wait=20, for=visible"})
        assert answer.json()["visible"] is True
        assert (await client.get(f"/orders/{answer.json()['order_id']}")).status_code == 200


async def test_a_repeat_is_the_same_command_whenever_it_comes(client: httpx.AsyncClient, stack: Stack, workers: list[ServiceProcess]):
    key = str(uuid4())
    first = await client.post("/orders", json=ORDER, headers=waited(key))
    again = await client.post("/orders", json=ORDER, headers=waited(key))
    other = await client.post("/orders", json=ORDER | {"customer_id": "bob"}, headers=waited(key))

    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, first.json(), "true")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    for answer, status in ((first, "accepted"), (other, "rejected")):
        view = (await client.get(f"/commands/{answer.json()['command_id']}", params={"position": other.json()["position"]})).json()
        assert (view["status"], view["position"]) == (status, answer.json()["position"])
    records = [r for r in await read_topic(stack.settings, EVENTS, 4) if r.key == first.json()["order_id"].encode()]
    assert len(records) == 2


async def test_a_repeat_through_a_gateway_that_has_just_started(client: httpx.AsyncClient, stack: Stack, workers: list[ServiceProcess]):
    """It has seen nothing of the log: the read models know."""
    first = await client.post("/orders", json=ORDER, headers=waited("once"))
    port = str(free_port())
    process = ServiceProcess("gateway", {**stack.environment, "ORDERS_HTTP_PORT": port}, stack.folder / "fresh.log").start()
    try:
        await process.until("running")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as fresh:
            answer = await fresh.post("/orders", json=ORDER, headers=waited("once"))
            view = await fresh.get(f"/commands/{first.json()['command_id']}")
    finally:
        process.end()

    assert (answer.status_code, answer.json(), answer.headers["idempotent-replayed"]) == (201, first.json(), "true")
    assert view.json()["status"] == "accepted"


async def test_pending_is_told_from_never_sent(client: httpx.AsyncClient, aggregate: ServiceProcess):
    with frozen(aggregate):
        answer = await client.post("/orders", json=ORDER, headers={"prefer": "wait=1"})
        location, command_id = answer.headers["location"], answer.json()["command_id"]
        pending = await client.get(location)
        untold = await client.get(f"/commands/{command_id}")
        other = await client.get(location.replace(command_id, str(uuid4())))
        place = CommandPlace.parse(location.partition("submitted=")[2])
        beyond = await client.get(f"/commands/{command_id}?submitted={CommandPlace(place.partition, 10**9).token()}")
        nowhere = await client.get(f"/commands/{command_id}?submitted={CommandPlace(77, 0).token()}")
        waiting = asyncio.create_task(client.get(location, headers=WAIT))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    decided = await waiting

    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    expected = {"status": "pending", "version": None, "position": None, "type": "CreateOrder", "order_id": answer.json()["order_id"]}
    assert pending.status_code == 200
    assert {name: pending.json()[name] for name in expected} == expected
    assert set(pending.json()["projections"].values()) == {"behind"}
    for refused in (untold, other, beyond, nowhere):
        assert (refused.status_code, refused.json()["code"]) == (404, "command_unknown")
    assert "may be pending" in untold.json()["detail"]
    assert (decided.status_code, decided.json()["status"], decided.headers["preference-applied"]) == (200, "accepted", "wait=20")


async def test_a_token_of_no_use_is_named(client: httpx.AsyncClient, workers: list[ServiceProcess]):
    for token in ("x", "", "e.AAA", "c.", "c.A"):
        answer = await client.get(f"/commands/{uuid4()}", params={"submitted": token})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "submitted"), token


async def test_read_models_that_are_behind(client: httpx.AsyncClient, projections: ServiceProcess, stack: Stack):
    projections.stop(15)
    try:
        answer = await client.post("/orders", json=ORDER, headers={"prefer": "wait=2, for=visible"})
        assert (answer.status_code, answer.json()["visible"]) == (201, False)
        view = (await client.get(f"/commands/{answer.json()['command_id']}")).json()
        assert (view["status"], set(view["projections"].values())) == ("accepted", {"behind"})
        late = await client.get(answer.headers["location"])
        assert (late.status_code, late.json()["code"]) == (503, "read_model_behind")
        assert late.json()["lag_seconds"] > 1
        assert (await client.get(f"/orders/{answer.json()['order_id']}")).status_code == 404
        dry = await client.post(f"/orders/{answer.json()['order_id']}/ship?dry_run=true", json={"tracking_number": "1"})
        assert dry.json()["code"] == "read_model_behind"

        # A gateway that has seen nothing of it finds it in the log.
        location = (await client.post("/orders", json=ORDER)).headers["location"]
        await eventually(lambda: _decided(client, location))
        port = str(free_port())
        environment = {**stack.environment, "ORDERS_HTTP_PORT": port}
        process = ServiceProcess("gateway", environment, stack.folder / "behind.log").start()
        try:
            await process.until("running")
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as fresh:
                found = (await fresh.get(location)).json()
        finally:
            process.end()
        assert (found["status"], set(found.get("projections", {}).values())) == ("accepted", {"behind"}), found
    finally:
        projections.start()

    async def is_read() -> bool:
        return (await client.get(answer.headers["location"])).status_code == 200

    await eventually(is_read, 40)


async def _decided(client: httpx.AsyncClient, location: str) -> bool:
    return (await client.get(location)).json()["status"] == "accepted"


async def test_a_command_that_was_deleted_still_has_its_outcome(client: httpx.AsyncClient, stack: Stack, workers: list[ServiceProcess]):
    answer = await client.post("/orders", json=ORDER, headers={"x-correlation-id": "to-be-deleted"})
    location = answer.headers["location"]
    place = CommandPlace.parse(location.partition("submitted=")[2])
    await eventually(lambda: _decided(client, location))
    admin = new_admin(stack.settings, "test-admin")
    await admin.start()
    await admin.delete_records({TopicPartition(COMMANDS, place.partition): RecordsToDelete(place.offset + 1)})
    await admin.close()

    assert (await client.get(location)).json()["status"] == "accepted"
    other = await client.get(location.replace(answer.json()["command_id"], str(uuid4())))
    assert (other.status_code, other.json()["code"]) == (404, "command_unknown")
    (item,) = (await client.get("/trace", params={"id": "to-be-deleted"})).json()["items"]
    assert (item["command_id"], item["appended_at"]) == (answer.json()["command_id"], None)


async def test_a_dry_run_says_what_the_aggregate_would_and_appends_nothing(
    client: httpx.AsyncClient, stack: Stack, workers: list[ServiceProcess]
):
    order_id = (await client.post("/orders", json=ORDER, headers=WAIT)).json()["order_id"]
    before = len(await read_topic(stack.settings, COMMANDS, 4))
    path = f"/orders/{order_id}"

    fresh = (await client.post("/orders?dry_run=true", json=ORDER)).json()
    assert fresh.get("would") == "accept", fresh
    assert (await client.post(f"{path}/ship?dry_run=true", json={"tracking_number": "1"})).json()["would"] == "accept"
    conflict = await client.post(f"{path}/ship?dry_run=true", json={"tracking_number": "1"}, headers={"if-match": '"9"'})
    assert (conflict.json()["would"], conflict.json()["code"]) == ("reject", "version_conflict")
    nobody = await client.post(f"/orders/{uuid4()}/cancel?dry_run=true", json={"reason": "x"})
    assert nobody.json()["code"] == "order_not_found"
    assert len(await read_topic(stack.settings, COMMANDS, 4)) == before

    rejected = await client.post(f"{path}/cancel", json={"reason": "x"}, headers=WAIT | {"if-match": '"9"', "idempotency-key": "dry"})
    again = await client.post(f"{path}/cancel?dry_run=true", json={"reason": "x"}, headers={"if-match": '"9"', "idempotency-key": "dry"})
    assert again.json()["code"] == rejected.json()["code"] == "version_conflict"


async def test_a_trace_names_every_step(client: httpx.AsyncClient, workers: list[ServiceProcess]):
    headers = {"prefer": "wait=20, for=visible", "x-correlation-id": "cart/17 & co"}
    order_id = (await client.post("/orders", json=ORDER, headers=headers)).json()["order_id"]
    await client.post(f"/orders/{order_id}/ship", json={"tracking_number": "1"}, headers=headers)
    refused = (await client.post(f"/orders/{order_id}/ship", json={"tracking_number": "2"}, headers=headers)).json()

    by_order, by_correlation = [
        (await client.get("/trace", params={"id": wanted})).json()["items"] for wanted in (order_id, "cart/17 & co")
    ]
    by_command = (await client.get("/trace", params={"id": refused["command_id"]})).json()["items"]

    assert by_order == by_correlation
    assert [item["status"] for item in by_order] == ["accepted", "accepted", "rejected"]
    assert by_command == by_order[2:]
    for item in by_order:
        # The log's times are whole milliseconds.
        assert item["received_at"][:19] <= item["appended_at"][:19] <= item["decided_at"][:19]
        assert set(item["projections"].values()) == {"visible"}
    assert (await client.get("/trace", params={"id": "unheard-of"})).json() == {"items": []}
    assert (await client.get("/trace")).status_code == 422


async def _metric(process: ServiceProcess, name: str) -> float:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{process.health_port}/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def test_waits_that_end_are_cut_or_whose_client_is_gone_leave_nothing(
    client: httpx.AsyncClient, gateway: ServiceProcess, aggregate: ServiceProcess, stack: Stack
):
    async def waiting() -> float:
        return await _metric(gateway, "orders_waiting_requests")

    limits = httpx.Limits(max_connections=None)
    with frozen(aggregate):
        async with httpx.AsyncClient(base_url=stack.url, timeout=40, limits=limits) as going:
            posts = [asyncio.create_task(going.post("/orders", json=ORDER, headers={"prefer": "wait=30"})) for _ in range(150)]
            location = (await client.post("/orders", json=ORDER)).headers["location"]
            posts += [asyncio.create_task(going.get(location, headers={"prefer": "wait=30"})) for _ in range(50)]

            async def all_wait() -> bool:
                return await waiting() == 200

            await eventually(all_wait, 20)
            for task in posts[::2]:
                task.cancel()

            async def half_wait() -> bool:
                return await waiting() == 100

            await eventually(half_wait, 5)
        # The rest of the connections were closed with the client.

        async def nobody_waits() -> bool:
            return await waiting() == 0

        await eventually(nobody_waits, 5)
        await asyncio.gather(*posts, return_exceptions=True)


async def test_a_gateway_that_stops_answers_those_who_wait(stack: Stack, aggregate: ServiceProcess):
    port = str(free_port())
    process = ServiceProcess("gateway", {**stack.environment, "ORDERS_HTTP_PORT": port}, stack.folder / "ends.log").start()
    try:
        await process.until("running")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            with frozen(aggregate):
                posting = asyncio.create_task(client.post("/orders", json=ORDER, headers={"prefer": "wait=30"}))
                await asyncio.sleep(0.5)
                assert await asyncio.to_thread(process.stop, 3) == 0
                answer = await posting
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        assert "Traceback" not in process.log.read_text()
    finally:
        process.end()


async def test_with_postgresql_away_what_the_log_knows_is_told(client: httpx.AsyncClient, stack: Stack, aggregate: ServiceProcess):
    """Last in this file: it stops the database."""
    await asyncio.to_thread(stack.postgres.stop)
    try:
        answer = await client.post("/orders", json=ORDER, headers=waited(str(uuid4())))
        assert answer.status_code == 201
        view = await client.get(f"/commands/{answer.json()['command_id']}")
        assert (view.status_code, set(view.json()["projections"].values())) == (200, {"behind"})
        unknown = await client.get(f"/commands/{uuid4()}")
        assert (unknown.status_code, unknown.json()["code"]) == (503, "read_model_unavailable")
        with frozen(aggregate):
            pending = await client.post("/orders", json=ORDER)
            assert (await client.get(pending.headers["location"])).json()["status"] == "pending"
        assert (await client.get(pending.headers["location"], headers=WAIT)).json()["status"] == "accepted"
        dry = await client.post("/orders?dry_run=true", json=ORDER)
        assert (dry.status_code, dry.json()["code"]) == (503, "read_model_unavailable")
    finally:
        await asyncio.to_thread(stack.postgres.start)
