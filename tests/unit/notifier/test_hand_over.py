"""Replay and live interleaved in every way: no gap, nothing twice, each partition in order, each position exact."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_schemas.feed import FeedFilter
from event_schemas.positions import Position
from infra.kafka import partition_of
from notifier import subscription as subscription_module
from notifier.feed_event import FeedEvent
from notifier.filter_index import matches
from notifier.live_end import LiveEnd
from notifier.subscription import Subscription
from tests.support.records import created, rejected
from tests.unit.notifier.fake_log import FakeLog, RememberingOutbox, order_records

PARTITIONS = 3
ORDERS = [UUID(int=number) for number in range(1, 7)]
CUSTOMERS = {order: ("ada", "bob")[number % 2] for number, order in enumerate(ORDERS)}
FILTERS = [FeedFilter(), FeedFilter(customer_id="ada"), FeedFilter(order_id=ORDERS[0]), FeedFilter(order_id=ORDERS[1], customer_id="ada")]


def filled_log(appended: int) -> FakeLog:
    """A log of that many records, on the partitions where they belong."""
    log = FakeLog(PARTITIONS)
    for record in order_records(ORDERS, versions=1 + appended // len(ORDERS), customer_of=CUSTOMERS)[:appended]:
        log.append(partition_of(str(record.order_id), PARTITIONS), record)
    return log


def replay_some(log: FakeLog, live: LiveEnd, subscription: Subscription, partition: int, count: int) -> None:
    """What notifier.replay does with a slice."""
    ranges = subscription.to_replay()
    if partition not in ranges:
        return
    start, end = ranges[partition]
    for counted in log.records[partition][start : min(end, start + count)]:
        after = subscription.replayed(partition, counted.offset)
        if matches(subscription.filter, counted.record):
            subscription.outbox.queue(subscription.frame(FeedEvent.of(counted, live.token(after))))


steps = st.lists(st.tuples(st.sampled_from(["deliver", "replay"]), st.integers(0, PARTITIONS - 1), st.integers(1, 4)), max_size=40)


@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.integers(0, 20)), max_size=4),
    st.lists(st.integers(0, 20), min_size=PARTITIONS, max_size=PARTITIONS),
    st.sampled_from(FILTERS),
    st.sampled_from([0, 1_000, 2_000, 100_000]),
    steps,
)
@settings(max_examples=400, deadline=None)
def test_each_record_once_in_order_however_replay_and_live_interleave(  # noqa: PLR0917 Hypothesis passes them in this order
    appended: int,
    seen_before: list[tuple[int, int]],
    starts: list[int],
    wanted: FeedFilter,
    held_bytes: int,
    interleaving: list[tuple[str, int, int]],
) -> None:
    log = filled_log(appended)
    live = LiveEnd(log)
    for partition, count in seen_before:
        log.deliver(live, partition, count)
    start = {partition: min(starts[partition], log.ends[partition]) for partition in range(PARTITIONS)}
    outbox = RememberingOutbox()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscription_module, "HELD_BYTES", held_bytes)
        subscription = Subscription(wanted, start, log.ends, outbox=outbox)
        live.add(subscription)
        for kind, partition, count in interleaving:
            if kind == "deliver":
                log.deliver(live, partition, count)
            else:
                replay_some(log, live, subscription, partition, count)
            if not subscription.live and not subscription.to_replay():
                outbox.queued += subscription.go_live()
        while subscription.to_replay():
            for partition in range(PARTITIONS):
                replay_some(log, live, subscription, partition, 100)
        if not subscription.live:
            outbox.queued += subscription.go_live()
        for partition in range(PARTITIONS):
            log.deliver(live, partition, 1_000)

    expected = {
        str(counted.record.id): counted
        for partition, records in log.records.items()
        for counted in records[start[partition] :]
        if matches(wanted, counted.record)
    }
    frames = outbox.events()
    assert sorted(frame["event"]["id"] for frame in frames) == sorted(expected)
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    shown = [expected[frame["event"]["id"]] for frame in frames]
    for partition in range(PARTITIONS):
        offsets = [counted.offset for counted in shown if counted.partition == partition]
        assert offsets == sorted(offsets)
    for index, frame in enumerate(frames):
        position = Position.parse(frame["position"])
        assert position.belongs_to(log.identity)
        rest = {counted.record.id for counted in shown[index + 1 :]}
        assert rest == {counted.record.id for counted in expected.values() if counted.offset >= position.next_offsets[counted.partition]}


def test_what_would_have_to_be_held_beyond_the_limit_is_read_from_the_log_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "HELD_BYTES", 0)
    log = filled_log(18)
    live = LiveEnd(log)
    for partition in range(PARTITIONS):
        log.deliver(live, partition, 1)
    subscription = Subscription(FeedFilter(), dict.fromkeys(range(PARTITIONS), 0), log.ends, outbox=RememberingOutbox())
    live.add(subscription)
    before = subscription.to_replay()
    for partition in range(PARTITIONS):
        log.deliver(live, partition, 100)
    assert subscription.to_replay() == log.ranges_from_zero() != before


def test_an_order_s_replay_reads_only_its_partition() -> None:
    log = filled_log(18)
    live = LiveEnd(log)
    for partition in range(PARTITIONS):
        log.deliver(live, partition, 100)
    subscription = Subscription(FeedFilter(order_id=ORDERS[0]), dict.fromkeys(range(PARTITIONS), 0), log.ends, outbox=RememberingOutbox())
    assert set(subscription.to_replay()) == {partition_of(str(ORDERS[0]), PARTITIONS)}


def test_a_rejection_without_an_order_is_shown_to_those_who_ask_for_all_or_for_its_order() -> None:
    log = FakeLog(1)
    live = LiveEnd(log)
    outboxes = {name: RememberingOutbox() for name in ("all", "order", "customer")}
    refusal = rejected(ORDERS[0])
    wanted = {"all": FeedFilter(), "order": FeedFilter(order_id=ORDERS[0]), "customer": FeedFilter(customer_id="ada")}
    for name, outbox in outboxes.items():
        subscription = Subscription(wanted[name], {0: 0}, log.ends, outbox=outbox)
        subscription.go_live()
        live.add(subscription)
    log.append(0, refusal)
    log.append(0, created(customer_id="eve"))
    log.deliver(live, 0, 2)
    assert {name: len(outbox.queued) for name, outbox in outboxes.items()} == {"all": 2, "order": 1, "customer": 0}
