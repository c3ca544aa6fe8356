"""The last records in memory: bounded, gapless from its floor on, and positions that leave nothing out."""

from hypothesis import given
from hypothesis import strategies as st

from event_schemas.positions import LogIdentity, MovingPosition, Position
from notifier.feed_event import FeedEvent
from notifier.ring import Ring
from tests.support.records import created

PARTITIONS = 3
IDENTITY = LogIdentity(PARTITIONS, dict.fromkeys(range(PARTITIONS), b"first"))
RECORD = created()


class Seen:
    """Records in the order in which a process saw them, some of which are void, and a ring of the last ones."""

    def __init__(self, ring: Ring, arrivals: list[tuple[int, bool]]) -> None:
        self.ring, self.ends, self.events = ring, dict.fromkeys(range(PARTITIONS), 0), []
        position = MovingPosition(IDENTITY, self.ends)
        ring.begin(self.ends)
        for partition, counts in arrivals:
            offset = self.ends[partition]
            self.ends[partition] += 1
            token = position.moved(IDENTITY, partition, offset + 1)
            if counts:
                tail = b'"position":"%b","event":{}}' % token.encode()
                cut = len(b'"position":"') + len(token)
                event = FeedEvent(partition, offset, RECORD.order_id, "ada", "OrderCreated", tail, cut)
                self.events.append(event)
                ring.add(event)

    def missed(self, start: dict[int, int]) -> list[FeedEvent]:
        """What a client there has not seen."""
        return [event for event in self.events if event.offset >= start[event.partition]]


def position_of(event: FeedEvent) -> dict[int, int]:
    """Where its own position leads."""
    return dict(Position.parse(event.tail[len(b'"position":"') : event.cut].decode()).next_offsets)


arrivals = st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.sampled_from([True, True, True, False])), max_size=60)


@given(arrivals, st.integers(0, 70), st.lists(st.integers(0, 25), min_size=PARTITIONS, max_size=PARTITIONS))
def test_what_it_holds_it_shows_and_what_left_it_does_not_claim(arrived: list[tuple[int, bool]], most: int, starts: list[int]) -> None:
    seen = Seen(Ring(1 << 30, most), arrived)
    assert len(seen.ring) == min(most, len(seen.events))
    start = {partition: min(starts[partition], end) for partition, end in seen.ends.items()}
    ranges = {partition: (start[partition], end) for partition, end in seen.ends.items() if start[partition] < end}
    missed = seen.missed(start)
    if not seen.ring.holds(ranges):
        assert set(missed) - set(seen.events[-most:] if most else []) or any(not counts for _, counts in arrived) or most == 0
        return
    walked = list(seen.ring.walk(ranges))
    assert [event for event, _ in walked] == missed
    for number, (event, at_its_own) in enumerate(walked):
        if at_its_own:
            leads_to = position_of(event)
            assert seen.missed(leads_to) == missed[number + 1 :]


def test_who_was_live_here_is_shown_shared_frames_only() -> None:
    arrived = [(number % PARTITIONS, True) for number in range(60)]
    seen = Seen(Ring(1 << 30), arrived)
    start = position_of(seen.events[29])
    walked = list(seen.ring.walk({partition: (start[partition], end) for partition, end in seen.ends.items()}))
    assert [event for event, _ in walked] == seen.events[30:]
    assert all(at_its_own for _, at_its_own in walked)


def test_bytes_are_bounded_and_what_left_is_forgotten() -> None:
    seen = Seen(Ring(50_000), [(number % PARTITIONS, True) for number in range(20_000)])
    assert 0 < len(seen.ring) < 200
    assert seen.ring.bytes <= 50_000
    assert len(seen.ring._events) < 5_000
    assert all(len(run.offsets) < 5_000 for run in seen.ring._runs.values())
    first = seen.events[-len(seen.ring)]
    assert seen.ring.holds({first.partition: (first.offset, first.offset + 1)})
    assert not seen.ring.holds({first.partition: (first.offset - 1, first.offset + 1)})


def test_a_ring_of_nothing_and_one_that_has_not_begun_hold_only_the_end() -> None:
    seen = Seen(Ring(0), [(0, True), (1, True)])
    assert not seen.ring.holds({0: (0, 1)})
    assert seen.ring.holds({})
    assert not Ring(1_000).holds({0: (0, 1)})
