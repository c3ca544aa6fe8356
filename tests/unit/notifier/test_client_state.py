"""The client's state machine against a feed that is cut anywhere, repeats, and loses frames: none missing, none twice, in order."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.client.endings import End, Then, closed, unreachable
from notifier.client.items import CaughtUp, Event, FeedStopped, Held, Item, Joined, Lost, Passed, Reset, Snapshot
from notifier.client.state import Following, Taken, Wanted
from tests.support.examples import examples
from tests.support.records import created, rejected, shipped

ORDERS = [UUID(int=number) for number in range(1, 5)]


def log_of(kinds: list[tuple[int, bool]]) -> list[dict[str, Any]]:
    """A log of one partition: per entry the order, and whether the command was rejected."""
    versions = dict.fromkeys(range(len(ORDERS)), 0)
    log = []
    for order, is_rejection in kinds:
        if is_rejection:
            record: Any = rejected(ORDERS[order], version=versions[order])
        else:
            versions[order] += 1
            record = created(ORDERS[order]) if versions[order] == 1 else shipped(ORDERS[order], version=versions[order])
        log.append(orjson.loads(record.encoded()))
    return log


def say(following: Following, kind: str, **members: Any) -> Taken:
    """The feed sends a frame."""
    return following.taken(orjson.dumps({"type": kind, **members}))


def a_client(*urls: str, wanted: Wanted | None = None, held: Held | None = None) -> Following:
    """One without chance."""
    return Following(wanted or Wanted(), urls or ("ws://a",), chance=lambda: 0.0, held=held)


class ToyFeed:
    """A feed over a list: positions are indexes, some of its frames are lost, and a resumed connection begins some entries early."""

    def __init__(self, log: list[dict[str, Any]]) -> None:
        self.log = log

    def serve(self, following: Following, *, events: int, early: int, lose: int | None, beats: bool) -> tuple[list[Item], End]:
        """One connection: frames until `events` were sent; what the client handed out, and how it ended."""
        asked = orjson.loads(following.subscribe())["from"]
        start = max(0, (0 if asked == "earliest" else int(asked)) - early)
        taken = [say(following, "subscribed", position=str(start))]
        for number, index in enumerate(range(start, min(len(self.log), start + events)), 1):
            if number != lose:
                taken.append(say(following, "event", seq=number, position=str(index + 1), event=self.log[index]))
            if beats:
                taken.append(say(following, "heartbeat", position=str(index + (number != lose))))
            if taken[-1].end is not None:
                break
        items = [one.item for one in taken if one.item is not None]
        return items, next((one.end for one in taken if one.end is not None), closed(1006, ""))


connections = st.tuples(st.integers(0, 12), st.integers(0, 3), st.none() | st.integers(1, 6), st.booleans())


@given(st.lists(st.tuples(st.integers(0, len(ORDERS) - 1), st.booleans()), max_size=30), st.lists(connections, max_size=8))
@settings(max_examples=examples(1_000))
def test_through_cuts_repeats_and_lost_frames_each_record_is_handed_out_once_in_order(
    kinds: list[tuple[int, bool]], cuts: list[tuple[int, int, int | None, bool]]
) -> None:
    feed, following = ToyFeed(log_of(kinds)), a_client(wanted=Wanted(start="earliest"))
    handed: list[Item] = []
    for events, early, lose, beats in [*cuts, (1_000, 0, None, False)]:
        # A heartbeat in place of the lost frame would claim it; a real feed writes both to one stream, which loses its end only.
        items, end = feed.serve(following, events=events, early=early, lose=lose, beats=beats and lose is None)
        handed += items
        assert isinstance(following.lost(end), Lost)
    assert [item.event for item in handed if isinstance(item, Event)] == feed.log


@given(st.lists(st.tuples(st.integers(0, len(ORDERS) - 1), st.booleans()), min_size=1, max_size=30), st.data())
@settings(max_examples=examples(300))
def test_whoever_kept_the_position_of_any_item_goes_on_there_with_nothing_in_memory(
    kinds: list[tuple[int, bool]], data: st.DataObject
) -> None:
    feed = ToyFeed(log_of(kinds))
    items, _ = feed.serve(a_client(wanted=Wanted(start="earliest")), events=1_000, early=0, lose=None, beats=True)
    kept = data.draw(st.integers(0, len(items) - 1))
    position = items[kept].position  # type: ignore[union-attr] # nothing is lost here
    rest, _ = feed.serve(a_client(wanted=Wanted(start=position)), events=1_000, early=0, lose=None, beats=False)
    dealt_with = [item.event for item in items[: kept + 1] if isinstance(item, Event)]
    assert dealt_with + [item.event for item in rest if isinstance(item, Event)] == feed.log


def test_a_hole_in_seq_ends_the_connection_before_anything_behind_it_is_handed_out() -> None:
    following = a_client()
    following.subscribe()
    say(following, "event", seq=1, position="1", event=orjson.loads(created().encoded()))
    item, end = say(following, "event", seq=3, position="3", event=orjson.loads(created().encoded()))
    assert item is None
    assert end is not None
    assert end.then is Then.BACK_OFF
    assert orjson.loads(following.subscribe())["from"] == "1"


def test_a_reset_is_told_forgets_what_is_held_and_begins_anew() -> None:
    following, order = a_client(), orjson.loads(created(ORDERS[0]).encoded())
    following.subscribe()
    say(following, "event", seq=1, position="9", event=order)
    item, end = say(following, "reset", reason="log_replaced", position="0")
    assert item == Reset("log_replaced", "0")
    assert end is not None
    assert following.lost(end).again_in_s == 0
    assert orjson.loads(following.subscribe())["from"] == "0"
    assert say(following, "event", seq=1, position="1", event=order).item == Event(order, "1")


def test_what_the_feed_says_of_itself_reaches_the_caller_and_moves_the_position() -> None:
    following = a_client("ws://a", wanted=Wanted({"customer_id": "ada"}, "latest"))
    assert orjson.loads(following.subscribe()) == {"type": "subscribe", "filter": {"customer_id": "ada"}, "from": "latest"}
    assert say(following, "subscribed", position="4").item == Joined("ws://a", "4")
    assert say(following, "caught_up", position="5").item == CaughtUp("5")
    assert say(following, "heartbeat", position="7").item == Passed("7")
    assert say(following, "of_a_later_release", position="8") == Taken(None)
    assert following.position == "7"


@pytest.mark.parametrize("message", ["", "no JSON", "[]", "{}", b"\xff"])
def test_what_is_no_frame_ends_the_connection(message: str | bytes) -> None:
    assert a_client().taken(message).end is not None


def test_each_try_goes_to_the_next_instance_and_the_pause_grows_by_rounds_until_something_comes() -> None:
    following = Following(Wanted(), ["ws://a", "ws://b"], chance=lambda: 0.999, held=None)
    visited, pauses = [following.url], []
    for _ in range(5):
        pauses.append(round(following.lost(unreachable("why")).again_in_s, 1))
        visited.append(following.url)
    assert visited == ["ws://b", "ws://a"] * 3
    assert pauses == [1.0, 1.0, 2.0, 2.0, 4.0]
    following.subscribe()
    say(following, "heartbeat", position="1")
    assert round(following.lost(closed(4200, "")).again_in_s, 2) == 0.25


def test_a_server_that_takes_connections_and_drops_them_is_left_alone_for_ever_longer() -> None:
    following, pauses = Following(Wanted(), ["ws://a"], chance=lambda: 1.0), []
    for _ in range(12):
        following.subscribe()
        say(following, "subscribed", position="1")
        pauses.append(following.lost(closed(4200, "")).again_in_s)
    assert pauses[:3] == [0.25, 0.5, 1.0]
    assert pauses[-1] == 30


def test_what_coming_back_would_not_help_is_raised() -> None:
    following = a_client()
    end = say(following, "error", code="validation_failed", detail="from: must be a position").end
    assert end is not None
    with pytest.raises(FeedStopped, match="from: must be a position") as stopped:
        following.lost(end)
    assert stopped.value.code == "validation_failed"
    with pytest.raises(FeedStopped):
        following.lost(closed(4000, '{"code":"bad_frames"}'))


def test_what_is_held_is_bounded_and_what_was_used_last_stays() -> None:
    held = Held(most=3)
    events = [orjson.loads(created(order).encoded()) for order in ORDERS]
    refusals = [orjson.loads(rejected(order).encoded()) for order in ORDERS]
    assert all(held.is_new(event) for event in (*events, *refusals))
    assert len(held) == 6
    assert [held.is_new(event) for event in events[:0:-1]] == [False] * 3
    assert [held.is_new(refusal) for refusal in refusals[:0:-1]] == [False] * 3
    assert held.is_new(events[0])


def order_at(order: UUID, version: int) -> dict[str, Any]:
    """As `GET /orders/{id}` shows it, as far as a client of the feed looks."""
    return {"order_id": str(order), "version": version}


def test_a_snapshot_then_events_each_version_once() -> None:
    following = a_client(wanted=Wanted({"customer_id": "ada"}, snapshot=True))
    assert orjson.loads(following.subscribe()) == {"type": "subscribe", "filter": {"customer_id": "ada"}, "snapshot": True}
    assert say(following, "subscribed", position="5").item == Joined("ws://a", None)
    first, second = order_at(ORDERS[0], 2), order_at(ORDERS[1], 1)
    assert say(following, "snapshot", position="5", orders=[first], more=True).item == Snapshot((first,), None)
    assert say(following, "heartbeat", position="5") == Taken(None)
    assert following.position is None
    assert say(following, "snapshot", position="5", orders=[second], more=False).item == Snapshot((second,), "5")
    known, news = orjson.loads(shipped(ORDERS[0]).encoded()), orjson.loads(shipped(ORDERS[1]).encoded())
    assert say(following, "event", seq=1, position="6", event=known).item is None
    assert say(following, "event", seq=2, position="7", event=news).item == Event(news, "7")
    assert orjson.loads(following.subscribe())["from"] == "7"


def test_an_interrupted_snapshot_is_asked_for_again_and_brings_only_what_is_newer() -> None:
    following = a_client(wanted=Wanted({"customer_id": "ada"}, snapshot=True))
    following.subscribe()
    say(following, "snapshot", position="5", orders=[order_at(ORDERS[0], 1)], more=True)
    following.lost(closed(1006, ""))
    assert orjson.loads(following.subscribe())["snapshot"] is True
    pieces = [order_at(ORDERS[0], 1), order_at(ORDERS[1], 3)]
    assert say(following, "snapshot", position="8", orders=pieces, more=False).item == Snapshot((pieces[1],), "8")


def test_a_kept_position_goes_before_a_snapshot_and_a_reset_asks_for_one() -> None:
    following = a_client(wanted=Wanted({"customer_id": "ada"}, start="9", snapshot=True))
    assert orjson.loads(following.subscribe())["from"] == "9"
    assert say(following, "reset", reason="other_log", position="0").item == Reset("other_log", None)
    assert orjson.loads(following.subscribe())["snapshot"] is True
