"""The browser client in a real browser: by the rules of the Python one, against the real feed, through its restart."""

import random
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from notifier.client.endings import closed
from notifier.client.items import CaughtUp, Event, FeedStopped, Item, Joined, Lost, Passed, Reset, Snapshot
from notifier.client.state import Following, Wanted
from notifier.feed import Feed
from notifier.websocket.server import FeedServer
from tests.integration.notifier.conftest import RunningFeed, until
from tests.support.chromium import Page, browser, find_chromium
from tests.support.house import ROOT
from tests.support.records import cancelled, created, rejected, shipped
from tests.unit.notifier.sse_kit import SseSite

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: install it (Debian: apt-get install chromium), or run .ci/run")


@pytest.fixture(scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A tab, shared by the tests of this file."""
    async with browser(PROGRAM or "", tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
async def site(feed: RunningFeed) -> AsyncIterator[SseSite]:
    """The demo page, beside a feed on an empty log."""
    async with SseSite(feed.settings, Feed(feed.settings, feed.tail, topic=feed.log.topic), websockets_at=feed.port) as opened:
        yield opened


ORDERS = [created().order_id for _ in range(4)]


def some_frames(chance: random.Random) -> list[Any]:
    """A conversation as no feed would lead it: frames in any order, some with a hole before them, connections that end in any way."""
    words: list[Any] = []
    seq = 0
    for number in range(chance.randint(1, 60)):
        position = f"e.{number}"
        kind = chance.choice(
            ["event"] * 6 + ["subscribed", "caught_up", "heartbeat", "snapshot", "reset", "error", "later", "junk", "close"]
        )
        match kind:
            case "event":
                order = chance.choice(ORDERS)
                record: Any = chance.choice([created(order), shipped(order), cancelled(order, version=3), rejected(order, version=1)])
                seq += 1 if chance.random() < 0.95 else 2
                words.append({"type": kind, "seq": seq, "position": position, "event": orjson.loads(record.encoded())})
            case "snapshot":
                orders = [{"order_id": str(chance.choice(ORDERS)), "version": chance.randint(1, 4)} for _ in range(3)]
                words.append({"type": kind, "position": position, "orders": orders, "more": chance.random() < 0.5})
            case "reset":
                words.append({"type": kind, "reason": "other_log", "position": position})
            case "error":
                code = chance.choice(
                    ["not_ready", "log_broken", "newer_schema", "of_a_later_release"] + ["validation_failed"] * (number > 40)
                )
                words.append({"type": kind, "code": code, "detail": "why"})
            case "close":
                reason = chance.choice(
                    ["", "no JSON", '{"code":"restarting","retry_after_ms":1500}', '{"retry_after_ms":-1}', "[]", '{"code":7}']
                )
                words.append(
                    {
                        "close": chance.choice(
                            [1000, 1001, 1006, 1011, 1012, 1013, 4100, 4101, 4200, 4299, 4300, *[1002, 1009, 4000] * (number > 40)]
                        ),
                        "reason": reason,
                    }
                )
                seq = 0
            case "junk":
                words.append([number])
            case _:
                words.append({"type": kind, "position": position})
    return words


_KINDS: dict[type, str] = {
    Joined: "joined",
    Snapshot: "snapshot",
    Event: "event",
    CaughtUp: "caught_up",
    Passed: "passed",
    Reset: "reset",
    Lost: "lost",
}


def as_page(item: Item) -> dict[str, Any]:
    """An item as the browser client hands it out."""
    members: dict[str, Any] = {name: getattr(item, name) for name in item.__slots__}  # type: ignore[attr-defined]
    if isinstance(item, Lost):
        members["againInMs"] = round(1000 * members.pop("again_in_s"), 6)
    return orjson.loads(orjson.dumps({"kind": _KINDS[type(item)], **members}))  # type: ignore[no-any-return]


def by_python(wanted: dict[str, Any], words: list[Any]) -> list[Any]:
    """What the Python client makes of a conversation."""
    following = Following(Wanted(wanted["filter"], wanted["from"], snapshot=wanted["snapshot"]), ["ws://a", "ws://b"], chance=lambda: 0.5)
    made: list[Any] = [orjson.loads(following.subscribe())]
    for word in words:
        item, end = None, closed(word["close"], word["reason"]) if "close" in word else None
        if end is None:
            item, end = following.taken(orjson.dumps(word))
        if item is not None:
            made.append(as_page(item))
        if end is not None:
            try:
                made.append(as_page(following.lost(end)))
            except FeedStopped as stopped:
                return [*made, {"kind": "stopped", "detail": str(stopped), "code": stopped.code}]
            made += [following.url, orjson.loads(following.subscribe())]
        made.append(following.position)
    return made


_BY_PAGE = """
(async () => {
  const { Following, closed } = await import("data:text/javascript;base64,MODULE");
  return CONVERSATIONS.map(([wanted, words]) => {
    const following = new Following(wanted, ["ws://a", "ws://b"], () => 0.5);
    const made = [JSON.parse(following.subscribe())];
    for (const word of words) {
      const { item, end } = "close" in word
        ? { item: null, end: closed(word.close, word.reason) } : following.taken(JSON.stringify(word));
      if (item !== null) made.push(item);
      if (end !== null) {
        const lost = following.lost(end);
        made.push(lost);
        if (lost.kind === "stopped") return made;
        made.push(following.url, JSON.parse(following.subscribe()));
      }
      made.push(following.position);
    }
    return made;
  });
})()
"""


async def test_both_clients_make_the_same_of_the_same_conversations(page: Page) -> None:
    chance = random.Random(7)
    conversations = []
    for number in range(300):
        wanted = {"filter": {"customer_id": "ada"}, "from": chance.choice(["latest", "earliest", "e.0"]), "snapshot": number % 2 == 0}
        conversations.append([wanted, some_frames(chance)])
    module = b64encode((ROOT / "notifier/browser/orders-feed.js").read_bytes()).decode()
    await page.open("data:text/html,<p>nothing")
    made = await page.run(_BY_PAGE.replace("MODULE", module).replace("CONVERSATIONS", orjson.dumps(conversations).decode()))
    for (wanted, words), by_page in zip(conversations, made, strict=True):
        assert by_page == by_python(wanted, words), (wanted, words)


_FOLLOW = """
(async () => {
  const { OrdersFeed } = await import("/feed/orders-feed.js");
  window.items = [];
  window.following = new OrdersFeed(URLS, WANTED, (item) => window.items.push(item), { silenceMs: SILENCE });
})()
"""


async def follow(page: Page, site: SseSite, urls: list[str], wanted: dict[str, Any], silence_ms: int = 45_000) -> None:
    """Open a page of the same origin that does nothing but follow."""
    await page.open(site.url("/health/live"))
    values = {"URLS": urls, "WANTED": wanted, "SILENCE": silence_ms}
    script = _FOLLOW
    for name, value in values.items():
        script = script.replace(name, orjson.dumps(value).decode())
    await page.run(script)


async def items(page: Page, kind: str) -> list[dict[str, Any]]:
    """What it was handed of one kind."""
    found: list[dict[str, Any]] = await page.run(f"window.items.filter(({{ kind }}) => kind === {kind!r})")
    return found


async def test_it_goes_on_after_the_feed_s_restart_with_none_missing_and_none_twice(page: Page, site: SseSite, feed: RunningFeed) -> None:
    await follow(page, site, [feed.url], {"from": "latest"})
    await page.until("window.items.some(({ kind }) => kind === 'caught_up')")
    orders = [created() for _ in range(20)]
    await feed.log.append(*orders)
    await page.until("window.items.filter(({ kind }) => kind === 'event').length === 20")

    await feed.server.stop()
    await feed.log.append(*[shipped(order.order_id) for order in orders])
    again = FeedServer(feed.settings, feed.tail, topic=feed.log.topic)
    feed.stack.push_async_callback(again.stop)
    await again.start(feed.port)
    await page.until("window.items.filter(({ kind }) => kind === 'event').length >= 40")

    events = [item["event"] for item in await items(page, "event")]
    assert [event["version"] for event in events] == [1] * 20 + [2] * 20
    assert len({event["id"] for event in events}) == 40
    assert (await items(page, "lost"))[0]["code"] in {"restarting", "going_away"}
    await page.run("window.following.close()")
    await until(lambda: again.clients == 0)


async def test_it_stops_when_coming_back_would_not_help_and_says_why(page: Page, site: SseSite, feed: RunningFeed) -> None:
    await follow(page, site, [feed.url], {"filter": {"order_id": "no UUID"}})
    await page.until("window.items.some(({ kind }) => kind === 'stopped')")
    (stopped,) = await items(page, "stopped")
    assert stopped["code"] == "validation_failed"
    assert "order_id" in stopped["detail"]


async def test_a_connection_on_which_nothing_comes_is_given_up(page: Page, site: SseSite, feed: RunningFeed) -> None:
    await follow(page, site, [feed.url], {"from": "latest"}, silence_ms=300)
    await page.until("window.items.filter(({ kind }) => kind === 'joined').length >= 2")
    assert "nothing came for 0.3 s" in (await items(page, "lost"))[0]["detail"]
    await page.run("window.following.close()")


async def test_the_demo_page_shows_orders_as_they_come(page: Page, site: SseSite, feed: RunningFeed) -> None:
    await page.open(site.url("/feed/demo"))
    await page.until("document.getElementById('state').textContent === 'live'")
    first, second = created(customer_id="ada"), created(customer_id="zoë <b>")
    await feed.log.append(first, second, shipped(first.order_id), rejected(second.order_id, version=1))
    await page.until("document.querySelectorAll('#orders td.shipped').length === 1 && document.querySelector('#refusals li') !== null")
    shown = await page.run(
        "[...document.querySelectorAll('#orders tr')].map((row) => [...row.cells].slice(0, 6).map((cell) => cell.textContent))"
    )
    assert sorted(row[1:] for row in shown) == [["ada", "shipped", "2", "9.00 EUR", "2"], ["zoë <b>", "created", "2", "9.00 EUR", "1"]]


_STREAM = """
(() => {
  window.items = [];
  const stream = new EventSource("/feed?from=latest");
  for (const kind of ["subscribed", "event", "caught_up"]) {
    stream.addEventListener(kind, ({ data, lastEventId }) => window.items.push({ kind, ...JSON.parse(data), lastEventId }));
  }
})()
"""


async def test_the_browser_s_own_client_of_streams_goes_on_where_it_was(
    page: Page, site: SseSite, feed: RunningFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.sse.streams._RETRY_MS", (20, 50))
    await page.open(site.url("/health/live"))
    await page.run(_STREAM)
    await page.until("window.items.some(({ kind }) => kind === 'caught_up')")
    orders = [created() for _ in range(10)]
    await feed.log.append(*orders)
    await page.until("window.items.filter(({ kind }) => kind === 'event').length === 10")
    for stream in site.streams.open_streams():
        stream.sink._abort()
    await feed.log.append(*[shipped(order.order_id) for order in orders])
    await page.until("window.items.filter(({ kind }) => kind === 'event').length >= 20")

    found = await items(page, "event")
    assert [item["event"]["version"] for item in found] == [1] * 10 + [2] * 10
    assert all(item["lastEventId"] == item["position"] for item in found)
    assert len(await items(page, "subscribed")) == 2
