"""What someone does who has just cloned this, command by command, on the whole stack."""

import json
import os
import signal
import subprocess
import time
from decimal import Decimal
from uuid import uuid4

import httpx
import psutil
import pytest
from aiokafka import TopicPartition
from websockets.sync.client import connect

from event_schemas.topics import COMMANDS, EVENTS
from infra.kafka.clients import new_reader
from infra.process.settings import Settings
from tests.support.raw_log import judge_log
from tests.support.readme import first_request
from tests.support.service_process import CHECKOUT, eventually
from tests.support.topics import append_bytes, read_topic

SAMPLE = str(CHECKOUT / "examples" / "cdnow_sample.ndjson.gz")
ORDER = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}
pytestmark = pytest.mark.timeout(240)


def _get_until_found(url: str, timeout_s: float = 10.0) -> httpx.Response:
    deadline = time.monotonic() + timeout_s
    while (answer := httpx.get(url)).status_code == 404:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)
    return answer


def _kafka(stack) -> Settings:
    return Settings(KAFKA_BOOTSTRAP_SERVERS=stack.status()["urls"]["kafka"], ORDERS_REPLICATION=1)


async def _records_in_the_log(stack) -> int:
    reader = new_reader(_kafka(stack), "test")
    await reader.start()
    try:
        ends = await reader.end_offsets([TopicPartition(EVENTS, number) for number in range(12)])
        return sum(ends.values())
    finally:
        await reader.stop()


def test_status_names_every_service_as_running(stack):
    status = stack.status()

    assert status["ready"] is True
    assert {name: service["state"] for name, service in status["services"].items()} == dict.fromkeys(
        ["kafka", "postgres", "gateway", "order_aggregate", "projections", "notifier"], "running"
    )
    assert all(psutil.pid_exists(pid) for pid in stack.pids())
    assert "****" in stack.run("status").stdout


def test_an_order_goes_from_post_to_read_model_and_feed(stack):
    with connect(stack.feed, subprotocols=["orders.v1.json"]) as feed:
        feed.send(json.dumps({"type": "subscribe", "filter": {"customer_id": "ada"}, "from": "latest"}))
        assert [json.loads(feed.recv(5))["type"] for _ in range(2)] == ["subscribed", "caught_up"]

        posted = httpx.post(f"{stack.http}/orders", json=ORDER)

        assert posted.status_code == 202
        body = posted.json()
        assert posted.headers["location"].startswith(f"/commands/{body['command_id']}?submitted=c.")
        frame = json.loads(feed.recv(10))
        assert (frame["type"], frame["seq"], frame["event"]["order_id"]) == ("event", 1, body["order_id"])

    order = _get_until_found(f"{stack.http}/orders/{body['order_id']}")
    assert order.headers["etag"] == '"1"'
    assert (order.json()["status"], order.json()["total"], order.json()["units"]) == ("created", "9.00", 2)


def test_the_first_request_of_the_readme_is_answered_with_the_ids_that_stand_there(stack):
    path, key, body, answer = first_request()
    headers = {"content-type": "application/json", "Idempotency-Key": key}

    posted = [httpx.post(f"{stack.http}{path}", content=body, headers=headers) for _ in range(2)]

    assert [(one.status_code, one.json()) for one in posted] == [(202, answer), (202, answer)]
    order = _get_until_found(f"{stack.http}/orders/{answer['order_id']}").json()
    assert (order["customer_id"], order["total"], order["version"]) == ("ada", "9.00", 1)
    sales = httpx.get(f"{stack.http}/sales?from={order['ordered_at'][:10]}").json()["items"]
    assert sum(day["orders"] for day in sales if day["currency"] == "EUR") >= 1
    for page in ("/feed/demo", "/docs"):
        assert httpx.get(f"{stack.http}{page}").headers["content-type"].startswith("text/html"), page


def test_shipping_and_cancelling_are_judged_by_the_aggregate(stack):
    order_id = httpx.post(f"{stack.http}/orders", json=ORDER).json()["order_id"]
    assert httpx.post(f"{stack.http}/orders/{order_id}/ship", json={"tracking_number": "1Z"}).status_code == 202
    refused = httpx.post(f"{stack.http}/orders/{order_id}/cancel", json={"reason": "late"}).json()

    _get_until_found(f"{stack.http}/commands/{refused['command_id']}")
    outcome = httpx.get(f"{stack.http}/commands/{refused['command_id']}").json()
    events = httpx.get(f"{stack.http}/orders/{order_id}/events").json()["items"]

    assert (outcome["status"], outcome["code"], outcome["version"]) == ("rejected", "already_shipped", 2)
    assert [event["type"] for event in events] == ["OrderCreated", "OrderShipped", "CommandRejected"]
    assert httpx.get(f"{stack.http}/orders/{order_id}").json()["status"] == "shipped"


async def test_the_real_orders_give_exactly_their_totals_and_again_add_nothing(stack):
    before = await _records_in_the_log(stack)

    first = json.loads(stack.run("submit", SAMPLE, "--json").stdout)
    after = await _records_in_the_log(stack)
    second = json.loads(stack.run("submit", SAMPLE, "--json").stdout)

    assert (first["accepted"], first["rejected"], first["repeated"], first["failed"]) == (6919, 0, 0, 0)
    assert (second["accepted"], second["rejected"], second["repeated"], second["failed"]) == (0, 0, 6919, 0)
    assert after - before == 6919
    assert await _records_in_the_log(stack) == after
    await eventually(lambda: _sales_are_complete(stack))
    january = httpx.get(f"{stack.http}/sales?from=1997-01-01&to=1997-01-31").json()["items"]
    assert sum(day["orders"] for day in january) == 885
    assert sum(day["units"] for day in january) == 1878
    assert sum(Decimal(day["revenue"]) for day in january) == Decimal("28592.70")
    customer = httpx.get(f"{stack.http}/customers/cdnow-00004").json()
    assert customer == {"customer_id": "cdnow-00004", "orders": 4, "cancelled": 0, "units": 7, "totals": {"USD": "100.50"}}


def test_the_real_orders_rebuilt_give_the_same_rows_in_all_tables(stack):
    """After the test above: the log holds the real orders, with what the other tests have placed."""
    lines = stack.run("projections", "rebuild", "--promote", "--json").stdout.splitlines()
    compared = {one["table"]: one for one in json.loads(lines[-1])["compared"]}
    verified = json.loads(stack.run("projections", "verify", "--json").stdout.splitlines()[-1])

    assert {"order_details", "order_history", "customer_summaries", "daily_sales", "command_outcomes"} <= compared.keys()
    assert all(one["equal"] and one["live_rows"] == one["new_rows"] for one in compared.values())
    assert compared["order_details"]["new_rows"] >= 6919
    assert verified["drifted_rows"] == 0


async def _sales_are_complete(stack) -> bool:
    days = [day for day in httpx.get(f"{stack.http}/sales?to=1998-12-31").json()["items"] if day["currency"] == "USD"]
    totals = (sum(day["orders"] for day in days), sum(day["units"] for day in days), sum(Decimal(day["revenue"]) for day in days))
    return totals == (6919, 16479, Decimal("244091.94"))


def test_the_tail_shows_events_as_they_come(stack):
    order_id = httpx.post(f"{stack.http}/orders", json=ORDER).json()["order_id"]
    _get_until_found(f"{stack.http}/orders/{order_id}")

    tail = subprocess.Popen(
        [CHECKOUT / "orders", "tail", "--json", "--from", "earliest", "--order", order_id],
        env=stack.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        event = json.loads(tail.stdout.readline())
        assert (event["order_id"], event["type"]) == (order_id, "OrderCreated")
    finally:
        tail.send_signal(signal.SIGINT)
        assert tail.wait(5) == 0


async def test_bytes_that_no_one_can_read_end_among_the_dead_letters_and_stop_nothing(stack):
    kafka = _kafka(stack)
    places = {
        f"{COMMANDS}/3/{await append_bytes(kafka, COMMANDS, b'not a command', partition=3)}",
        f"{EVENTS}/3/{await append_bytes(kafka, EVENTS, b'not a record', partition=3)}",
    }

    async def listed() -> bool:
        letters = stack.run("dead-letters", "list", "--json").stdout.splitlines()
        return places <= {json.loads(letter)["id"] for letter in letters}

    await eventually(listed)
    for _ in range(12):  # some of these share the partition
        order_id = httpx.post(f"{stack.http}/orders", json=ORDER).json()["order_id"]
        _get_until_found(f"{stack.http}/orders/{order_id}")


async def _placed(stack) -> dict:
    """The answer to an order, sent again under its key while it is refused for now: on a busy machine what was killed returns slowly."""
    answers: list[httpx.Response] = []
    key = {"Idempotency-Key": str(uuid4())}

    async def accepted() -> bool:
        answers.append(httpx.post(f"{stack.http}/orders", json=ORDER, headers=key, timeout=20))
        assert answers[-1].status_code in {202, 429, 503}, answers[-1].text
        return answers[-1].status_code == 202

    await eventually(accepted, 60)
    return answers[-1].json()


async def test_killed_services_are_restarted_and_lose_nothing(stack):
    sent = []
    for service in ("gateway", "order_aggregate", "projections", "notifier"):
        sent += [await _placed(stack) for _ in range(10)]
        for pid in stack.pids([service]):
            os.kill(pid, signal.SIGKILL)

        async def back(name: str = service) -> bool:
            found = stack.status()["services"][name]
            return found["state"] == "running" and found["restarts"] > 0

        await eventually(back, 30)
    for body in sent:
        _get_until_found(f"{stack.http}/orders/{body['order_id']}", 20)
    verdict = judge_log(await read_topic(_kafka(stack), EVENTS, 12), {body["command_id"] for body in sent})
    assert verdict.clean, verdict


def test_down_leaves_no_process_and_up_finds_the_data(stack):
    order_id = httpx.post(f"{stack.http}/orders", json=ORDER).json()["order_id"]
    pids = stack.pids()

    stack.stop()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert stack.run("status", check=False).returncode == 1

    stack.start()
    assert _get_until_found(f"{stack.http}/orders/{order_id}").json()["customer_id"] == "ada"
