"""`./orders tail` as a user runs it."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from notifier.websocket.server import FeedServer
from order_service.commands.tail import Follower
from tests.integration.notifier.conftest import RunningFeed, until
from tests.support.records import created, rejected, shipped
from tools.local_stack.ports import free_port

CHECKOUT = Path(__file__).parents[3]


async def run_tail(tmp_path: Path, *arguments: str) -> asyncio.subprocess.Process:
    """Start the command with its output in pipes."""
    own = {"ORDERS_HOME": str(tmp_path / "home"), "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "order_service", "tail", *arguments]
    return await asyncio.create_subprocess_exec(*command, env=os.environ | own, cwd=tmp_path, stdout=-1, stderr=-1)


async def lines_of(process: asyncio.subprocess.Process, count: int) -> list[bytes]:
    """Its first lines."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return [await process.stdout.readline() for _ in range(count)]


async def test_json_lines_of_one_customer_and_an_end_by_ctrl_c(feed: RunningFeed, tmp_path: Path) -> None:
    ada, bob = created(customer_id="ada"), created(customer_id="bob")
    await feed.log.append(ada, bob, shipped(ada.order_id))
    process = await run_tail(tmp_path, "--json", "--from", "earliest", "--customer", "ada", "--url", feed.url)
    events = [orjson.loads(line) for line in await lines_of(process, 2)]
    assert [event["type"] for event in events] == ["OrderCreated", "OrderShipped"]
    assert {event["order_id"] for event in events} == {str(ada.order_id)}
    assert events[0]["position"].startswith("e.")

    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 5) == 0
    assert process.stderr is not None
    assert await process.stderr.read() == b""


async def test_lines_for_people_are_plain_in_a_pipe(feed: RunningFeed, tmp_path: Path) -> None:
    order = created()
    await feed.log.append(order, rejected(order.order_id, version=1, customer_id="ada"))
    process = await run_tail(tmp_path, "--from", "earliest", "--order", str(order.order_id).upper(), "--url", feed.url)
    placed, refused = [line.decode() for line in await lines_of(process, 2)]
    process.terminate()
    await process.wait()
    assert "9.00 EUR" in placed
    assert "order_not_found" in refused
    assert "\x1b" not in placed + refused


@pytest.mark.parametrize("arguments", [["--json"], []])
async def test_a_reader_that_has_enough_is_no_error(feed: RunningFeed, tmp_path: Path, arguments: list[str]) -> None:
    process = await run_tail(tmp_path, *arguments, "--from", "earliest", "--url", feed.url)
    await feed.log.append(created())
    await lines_of(process, 1)
    transport: Any = process.stdout._transport  # type: ignore[union-attr]
    transport.close()
    await feed.log.append(*[created() for _ in range(50)])
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_no_stack_is_one_line_and_exit_1(tmp_path: Path) -> None:
    process = await run_tail(tmp_path, "--url", f"ws://127.0.0.1:{free_port(set())}/feed")
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert errors.count(b"\n") == 1
    assert b"./orders up" in errors


async def test_a_wrong_position_is_wrong_use(feed: RunningFeed, tmp_path: Path) -> None:
    process = await run_tail(tmp_path, "--from", "yesterday", "--url", feed.url)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert b"from: must be latest, earliest or a position" in errors


async def test_it_goes_on_after_the_feed_s_restart_and_shows_nothing_twice(feed: RunningFeed) -> None:
    events: list[dict[str, Any]] = []
    said: list[str] = []
    follower = Follower(feed.url, {}, "latest", show=lambda event, _: events.append(event), say=said.append)
    following = asyncio.create_task(follower.follow())
    await until(lambda: bool(said))
    orders = [created(uuid4()) for _ in range(5)]
    await feed.log.append(*orders)
    await until(lambda: len(events) == 5)

    await feed.server.stop()
    await feed.log.append(*[shipped(order.order_id) for order in orders])
    again = FeedServer(feed.settings, feed.tail, topic=feed.log.topic)
    await again.start(feed.port)
    await until(lambda: len(events) == 10)
    following.cancel()
    await again.stop()

    assert [event["version"] for event in events] == [1] * 5 + [2] * 5
    assert "connected again" in said
