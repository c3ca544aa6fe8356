"""`./orders submit` against a gateway and a feed that misbehave as real ones may."""

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from event_schemas.positions import LogIdentity, Position
from order_service.commands.submit import client as submit_client
from order_service.commands.submit.client import FeedLost, GatewayLost
from order_service.commands.submit.command import Submission
from order_service.commands.submit.lines import OrderFile
from order_service.progress import Progress

LOG = LogIdentity(1, {0: b"a"})


class FakeStack:
    """Gateway and feed. Commands are decided when they are posted; a repeat adds no record."""

    def __init__(self) -> None:
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.outcomes: dict[str, int] = {}
        self.posts: Counter[str] = Counter()
        self.feeds: set[web.WebSocketResponse] = set()
        self.shown: Counter[web.WebSocketResponse] = Counter()
        self.subscriptions: list[str] = []
        self.ambiguous = 0
        self.cuts_feed_after: int | None = None
        app = web.Application()
        app.add_routes([web.post("/orders", self._post), web.get("/commands/{id}", self._command), web.get("/feed", self._feed)])
        self.server = TestServer(app)

    @property
    def feed_url(self) -> str:
        return str(self.server.make_url("/feed").with_scheme("ws"))

    def position(self, offset: int) -> str:
        return Position.of(LOG, {0: offset}).token()

    async def _post(self, request: web.Request) -> web.Response:
        key, body = request.headers["Idempotency-Key"], await request.json()
        self.posts[key] += 1
        if "customer_id" not in body:
            return web.json_response({"detail": "/customer_id: is required"}, status=422)
        command_id = str(uuid5(NAMESPACE_OID, key + json.dumps(body)))
        if command_id not in self.outcomes:
            await self._decide(command_id, body)
        if self.posts[key] <= self.ambiguous:
            return web.json_response({"code": "broker_unavailable"}, status=503)
        return web.json_response({"command_id": command_id}, status=202, headers={"Location": f"/commands/{command_id}?submitted=c.x"})

    async def _decide(self, command_id: str, body: dict[str, Any]) -> None:
        rejected = body["customer_id"] == "refused"
        ids = {"id": f"record of {command_id}", "order_id": f"order of {command_id}", "command_id": command_id, "version": 1}
        event = {"type": "CommandRejected" if rejected else "OrderCreated", **ids, "data": {"code": "already_exists"}}
        self.log.append((command_id, event))
        self.outcomes[command_id] = len(self.log)
        if self.cuts_feed_after == len(self.log):
            for feed in list(self.feeds):
                await feed.close()
        for feed in list(self.feeds):
            await self._show(feed, len(self.log))

    async def _show(self, feed: web.WebSocketResponse, offset: int) -> None:
        self.shown[feed] += 1
        await feed.send_json(
            {"type": "event", "seq": self.shown[feed], "position": self.position(offset), "event": self.log[offset - 1][1]}
        )

    async def _command(self, request: web.Request) -> web.Response:
        offset = self.outcomes[request.match_info["id"]]
        return web.json_response({"status": "accepted", "position": self.position(offset)})

    async def _feed(self, request: web.Request) -> web.WebSocketResponse:
        feed = web.WebSocketResponse(protocols=["orders.v1.json"])
        await feed.prepare(request)
        asked = json.loads((await feed.receive()).data)["from"]
        self.subscriptions.append(asked)
        start = len(self.log) if asked == "latest" else Position.parse(asked).next_offsets[0]
        await feed.send_json({"type": "subscribed", "position": self.position(start)})
        for offset in range(start + 1, len(self.log) + 1):
            await self._show(feed, offset)
        self.feeds.add(feed)
        async for message in feed:
            assert message.type is WSMsgType.TEXT
        self.feeds.discard(feed)
        return feed

    async def submit(self, path: Path, concurrency: int = 8) -> Submission:
        submission = Submission(OrderFile(str(path)), Progress(sys.stderr, every_s=5, quiet=True))
        await submission.run(url=str(self.server.make_url("")), feed=self.feed_url, concurrency=concurrency)
        return submission


@pytest.fixture
async def stack() -> AsyncIterator[FakeStack]:
    made = FakeStack()
    await made.server.start_server()
    yield made
    await made.server.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_service.commands.submit.command._OVERDUE_S", 0.1)


def write(path: Path, *bodies: Any) -> Path:
    path.write_text("\n".join(body if isinstance(body, str) else json.dumps(body) for body in bodies))
    return path


def counted(submission: Submission) -> tuple[int, int, int, int]:
    counts = submission.outcomes.counts
    return counts.accepted, counts.rejected, counts.repeated, counts.failed


def orders(count: int) -> list[dict[str, str]]:
    return [{"customer_id": "ada", "reference": f"r-{number}"} for number in range(count)]


async def test_every_line_comes_to_its_end(stack: FakeStack, tmp_path: Path):
    file = write(tmp_path / "orders", *orders(300), "no json", {"customer_id": "refused"}, {"reference": "x"}, orders(1)[0])
    submission = await stack.submit(file)

    assert counted(submission) == (300, 1, 1, 2)
    assert {failure["line"]: failure["detail"] for failure in submission.failures}[303] == "/customer_id: is required"
    assert submission.outcomes.counts.rejections == {"already_exists": 1}


async def test_submitting_again_adds_nothing(stack: FakeStack, tmp_path: Path):
    file = write(tmp_path / "orders", *orders(200))
    await stack.submit(file)
    assert counted(await stack.submit(file)) == (0, 0, 200, 0)
    assert len(stack.log) == 200


async def test_an_ambiguous_answer_is_retried_under_the_same_key(stack: FakeStack, tmp_path: Path):
    stack.ambiguous = 2
    assert counted(await stack.submit(write(tmp_path / "orders", *orders(5)))) == (5, 0, 0, 0)
    assert set(stack.posts.values()) == {3}


async def test_a_feed_that_is_cut_goes_on_where_it_was(stack: FakeStack, tmp_path: Path):
    stack.cuts_feed_after = 50
    assert counted(await stack.submit(write(tmp_path / "orders", *orders(100)), concurrency=2)) == (100, 0, 0, 0)
    assert [token.startswith("e.") for token in stack.subscriptions] == [False, True]


async def test_without_a_feed_nothing_is_sent(stack: FakeStack, tmp_path: Path):
    submission = Submission(OrderFile(str(write(tmp_path / "orders", *orders(5)))), Progress(sys.stderr, every_s=5, quiet=True))
    with pytest.raises(FeedLost, match="does not answer"):
        await submission.run(url=str(stack.server.make_url("")), feed="ws://127.0.0.1:9/feed", concurrency=2)
    assert not stack.posts


async def test_a_gateway_that_stays_away_ends_the_submission(stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(submit_client, "_AWAY_S", 0.3)
    submission = Submission(OrderFile(str(write(tmp_path / "orders", *orders(5)))), Progress(sys.stderr, every_s=5, quiet=True))
    with pytest.raises(GatewayLost, match="is the stack up"):
        await submission.run(url="http://127.0.0.1:9", feed=stack.feed_url, concurrency=2)


async def test_a_feed_that_stays_away_later_on_ends_the_submission(stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(submit_client, "_AWAY_S", 0.0)
    stack.cuts_feed_after = 10
    with pytest.raises(FeedLost):
        await stack.submit(write(tmp_path / "orders", *orders(50)), concurrency=1)
