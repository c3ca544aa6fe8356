"""Replay and live interleaved in every way: no gap, nothing twice, each partition in order, each position exact."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_schemas.feed import FeedFilter
from event_schemas.positions import Position
from infra.kafka.partitioner import partition_of
from notifier import live_end as live_end_module
from notifier import replay as replay_module
from notifier import subscription as subscription_module
from notifier.feed_event import FeedEvent
from notifier.filter_index import matches
from notifier.live_end import LiveEnd
from notifier.replay import is_in_memory, replay_from_memory
from notifier.ring import Ring
from notifier.subscription import Subscription
from tests.support.examples import examples
from tests.support.records import created, rejected
from tests.unit.notifier.fake_log import FakeLog, RememberingSink, order_records

PARTITIONS = 3
ORDERS = [UUID(int=number) for number in range(1, 7)]
CUSTOMERS = {order: ("ada", "bob")[number % 2] for number, order in enumerate(ORDERS)}
FILTERS = [
    FeedFilter(),
    FeedFilter(customer_id="ada"),
    FeedFilter(order_id=ORDERS[0]),
    FeedFilter(order_id=ORDERS[1], customer_id="ada"),
    FeedFilter(types=("OrderShipped",)),
    FeedFilter(customer_id="bob", types=("OrderCreated",)),
]


def filled_log(appended: int) -> FakeLog:
    """A log of that many records, on the partitions where they belong."""
    log = FakeLog(PARTITIONS)
    for record in order_records(ORDERS, versions=1 + appended // len(ORDERS), customer_of=CUSTOMERS)[:appended]:
        log.append(partition_of(str(record.order_id), PARTITIONS), record)
    return log


LOGS = [filled_log(appended) for appended in range(41)]


def live_end(log: FakeLog, ring_records: int = 0) -> LiveEnd:
    """A live end with a ring of that many records."""
    live = LiveEnd(log, Ring(1 << 30, ring_records))
    live.begin()
    return live


class Run:
    """A subscription on its way, moved on step by step as the session and the log move it."""

    def __init__(self, log: FakeLog, live: LiveEnd, wanted: FeedFilter, start: dict[int, int], sink: RememberingSink | None = None) -> None:
        self.log, self.live, self.sink = log, live, sink or RememberingSink()
        self.subscription = Subscription(wanted, start, live.ends, sink=self.sink)
        self.parked = False
        live.add(self.subscription)
        self.settle()

    def settle(self) -> None:
        """What is at the mark goes live."""
        if not self.parked and not self.subscription.live and not self.subscription.to_replay():
            self.sink.queued += self.subscription.go_live()

    def from_log(self, partition: int, count: int) -> None:
        """What notifier.replay does with a slice."""
        ranges = self.subscription.to_replay()
        if self.parked or partition not in ranges:
            return
        start, end = ranges[partition]
        for counted in self.log.records[partition][start : min(end, start + count)]:
            self.subscription.replayed(partition, counted.offset)
            event = FeedEvent.of(counted, self.live.token(self.subscription.position({})))
            if matches(self.subscription.filter, event):
                self.sink.queue(self.subscription.frame(event))
        self.settle()

    def from_memory(self) -> None:
        """What the session does when the ring holds all."""
        if not self.parked and self.subscription.to_replay() and is_in_memory(self.subscription, self.live):
            replay_from_memory(self.subscription, self.live)
            self.settle()

    def park_or_resume(self) -> None:
        """The client stops reading, or reads again."""
        if self.parked:
            self.subscription.resume(self.live.ends)
            self.live.add(self.subscription)
            self.parked = False
            self.settle()
        elif self.subscription.live:
            self.live.remove(self.subscription)
            self.subscription.park(self.live.ends)
            self.parked = True

    def finish(self) -> None:
        """Until all has been shown."""
        if self.parked:
            self.park_or_resume()
        while self.subscription.to_replay():
            self.from_memory()
            for partition in range(PARTITIONS):
                self.from_log(partition, 100)
        for partition in range(PARTITIONS):
            self.log.deliver(self.live, partition, 1_000)


partitions = st.integers(0, PARTITIONS - 1)
cases = st.tuples(
    st.integers(0, 40),
    st.lists(st.tuples(partitions, st.integers(0, 20)), max_size=4),
    st.lists(st.integers(0, 20), min_size=PARTITIONS, max_size=PARTITIONS),
    st.sampled_from(FILTERS),
    st.sampled_from([0, 1_000, 2_000, 100_000]),
    st.sampled_from([0, 2, 7, 1_000]),
    st.lists(st.tuples(st.sampled_from(["deliver", "log", "memory", "park"]), partitions, st.integers(1, 4)), max_size=40),
)
Case = tuple[int, list[tuple[int, int]], list[int], FeedFilter, int, int, list[tuple[str, int, int]]]


def check_hand_over(case: Case) -> None:
    """One interleaving: what the client was shown is what the log says, and each position leads to exactly the rest."""
    appended, seen_before, starts, wanted, held_bytes, ring_records, interleaving = case
    log = LOGS[appended].unseen()
    live = live_end(log, ring_records)
    for partition, count in seen_before:
        log.deliver(live, partition, count)
    start = {partition: min(starts[partition], log.ends[partition]) for partition in range(PARTITIONS)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscription_module, "HELD_BYTES", held_bytes)
        patch.setattr(replay_module, "_WALKED", 3)
        run = Run(log, live, wanted, start)
        for kind, partition, count in interleaving:
            match kind:
                case "deliver":
                    log.deliver(live, partition, count)
                case "log":
                    run.from_log(partition, count)
                case "memory":
                    run.from_memory()
                case "park":
                    run.park_or_resume()
            run.settle()
        run.finish()
    judge_all(log, start, wanted, run.sink)


def judge_all(log: FakeLog, start: dict[int, int], wanted: FeedFilter, sink: RememberingSink) -> None:
    """Against the log itself."""
    expected = {
        str(counted.record.id): counted
        for partition, records in log.records.items()
        for counted in records[start[partition] :]
        if matches(wanted, FeedEvent.of(counted, ""))
    }
    frames = sink.events()
    assert sorted(frame["event"]["id"] for frame in frames) == sorted(expected)
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    shown = [expected[frame["event"]["id"]] for frame in frames]
    for partition in log.records:
        offsets = [counted.offset for counted in shown if counted.partition == partition]
        assert offsets == sorted(offsets)
    rest = set(expected)
    for frame in frames:
        rest.discard(frame["event"]["id"])
        position = Position.parse(frame["position"])
        assert position.belongs_to(log.identity)
        assert rest == {name for name, counted in expected.items() if counted.offset >= position.next_offsets[counted.partition]}


@given(cases)
@settings(max_examples=examples(300))
def test_each_record_once_in_order_however_replay_and_live_interleave(case: Case) -> None:
    check_hand_over(case)


@pytest.mark.slow
@given(cases)
@settings(max_examples=10_000)
def test_ten_thousand_interleavings(case: Case) -> None:
    check_hand_over(case)


def test_what_would_have_to_be_held_beyond_the_limit_is_read_from_the_log_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "HELD_BYTES", 0)
    log = filled_log(18)
    live = live_end(log)
    for partition in range(PARTITIONS):
        log.deliver(live, partition, 1)
    subscription = Subscription(FeedFilter(), dict.fromkeys(range(PARTITIONS), 0), log.ends, sink=RememberingSink())
    live.add(subscription)
    before = subscription.to_replay()
    for partition in range(PARTITIONS):
        log.deliver(live, partition, 100)
    assert subscription.to_replay() == log.ranges_from_zero() != before


class ParkingSink(RememberingSink):
    """Its client stops reading in the middle of a run."""

    def __init__(self, park: Callable[[], None]) -> None:
        super().__init__()
        self.park = park

    def flush(self) -> None:
        """As an FrameSink."""
        if len(self.queued) == 2:
            self.park()


def test_who_is_parked_in_the_middle_of_a_run_misses_nothing_of_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_end_module, "_PIECE_BYTES", 0)
    log = FakeLog(1)
    live = live_end(log, 1_000)
    sink = ParkingSink(lambda: run.park_or_resume())  # noqa: PLW0108 there is no run yet
    run = Run(log, live, FeedFilter(), {0: 0}, sink)
    for _ in range(5):
        log.append(0, created())
    log.deliver(live, 0, 5)
    assert len(sink.queued) == 2
    run.park_or_resume()
    run.from_memory()
    judge_all(log, {0: 0}, FeedFilter(), sink)


def test_an_order_s_replay_reads_only_its_partition() -> None:
    log = filled_log(18)
    live = live_end(log)
    for partition in range(PARTITIONS):
        log.deliver(live, partition, 100)
    subscription = Subscription(FeedFilter(order_id=ORDERS[0]), dict.fromkeys(range(PARTITIONS), 0), log.ends, sink=RememberingSink())
    assert set(subscription.to_replay()) == {partition_of(str(ORDERS[0]), PARTITIONS)}


def test_a_rejection_without_an_order_is_shown_to_those_who_ask_for_all_or_for_its_order() -> None:
    log = FakeLog(1)
    live = live_end(log)
    sinks = {name: RememberingSink() for name in ("all", "order", "customer", "rejections", "shipments")}
    refusal = rejected(ORDERS[0])
    wanted = {
        "all": FeedFilter(),
        "order": FeedFilter(order_id=ORDERS[0]),
        "customer": FeedFilter(customer_id="ada"),
        "rejections": FeedFilter(types=("CommandRejected", "OrderShipped")),
        "shipments": FeedFilter(types=("OrderShipped",)),
    }
    for name, sink in sinks.items():
        subscription = Subscription(wanted[name], {0: 0}, log.ends, sink=sink)
        subscription.go_live()
        live.add(subscription)
    log.append(0, refusal)
    log.append(0, created(customer_id="eve"))
    log.deliver(live, 0, 2)
    assert {name: len(sink.queued) for name, sink in sinks.items()} == {
        "all": 2,
        "order": 1,
        "customer": 0,
        "rejections": 1,
        "shipments": 0,
    }
