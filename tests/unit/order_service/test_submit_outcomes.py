"""Each line comes to one end, in whatever order answers and records arrive."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from event_schemas.positions import LogIdentity, Position
from order_service.commands.submit.outcomes import Outcomes

LOG = LogIdentity(2, {0: b"a", 1: b"b"})


def at(first: int, second: int | None = None) -> str:
    """A write's position on partition 0, or the feed's on both."""
    return Position.of(LOG, {0: first} if second is None else {0: first, 1: second}).token()


def outcomes(clock: Callable[[], float] = lambda: 0.0) -> Outcomes:
    made = Outcomes(clock)
    made.reached(at(5, 5))
    return made


def counts(told: Outcomes) -> tuple[int, int, int]:
    return told.counts.accepted, told.counts.rejected, told.counts.repeated


def test_a_record_after_the_answer():
    told = outcomes()
    told.sent("c", "/commands/c", 1)
    told.seen("c", None, at(6, 5))
    assert (counts(told), len(told)) == ((1, 0, 0), 0)


def test_a_record_before_the_answer():
    told = outcomes()
    told.seen("c", "already_exists", at(6, 5))
    told.sent("c", "/commands/c", 1)
    assert (counts(told), len(told)) == ((0, 1, 0), 0)
    assert told.counts.rejections == {"already_exists": 1}


def test_a_command_decided_before_the_submission_is_a_repeat():
    told = outcomes()
    told.sent("c", "/commands/c", 1)
    (sent,) = told.overdue(0, 10)
    assert told.known(sent, at(3))
    assert (counts(told), len(told)) == ((0, 0, 1), 0)


def test_a_record_that_the_feed_has_yet_to_show_is_waited_for():
    told = outcomes()
    told.sent("c", "/commands/c", 1)
    (sent,) = told.overdue(0, 10)
    assert not told.known(sent, at(6))
    told.seen("c", None, at(6, 5))
    assert counts(told) == (1, 0, 0)


def test_the_same_line_twice_is_accepted_once():
    told = outcomes()
    told.sent("c", "/commands/c", 1)
    told.sent("c", "/commands/c", 2)
    told.seen("c", None, at(6, 5))
    (left,) = told.overdue(0, 10)
    assert left.line == 2
    assert told.known(left, at(6))
    assert counts(told) == (1, 0, 1)


def test_the_oldest_are_looked_up_first_and_then_again_later():
    now = 0.0
    told = outcomes(lambda: now)
    for line in range(5):
        now = float(line)
        told.sent(f"c{line}", "", line)
    now = 6.0
    assert [sent.line for sent in told.overdue(3, 10)] == [0, 1, 2, 3]
    told.look_again(told.overdue(3, 1)[0])
    assert [sent.line for sent in told.overdue(3, 2)] == [1, 2]


@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.sets(st.sampled_from("abc")), st.data())
def test_accepted_and_repeated_add_up_whatever_comes_first(lines: list[str], decided_before: set[str], data: st.DataObject):
    """Commands decided before have no record any more, all others exactly one; every line is answered."""
    told = outcomes()
    fresh = sorted(set(lines) - decided_before)
    steps = data.draw(st.permutations([("line", number) for number in range(len(lines))] + [("record", command) for command in fresh]))
    offset = 5
    for kind, what in steps:
        if kind == "line":
            told.sent(lines[int(what)], "", int(what))
        else:
            offset += 1
            told.seen(str(what), None, at(offset, 5))
    for sent in told.overdue(0, 100):
        assert told.known(sent, at(5))

    assert counts(told) == (len(fresh), 0, len(lines) - len(fresh))
    assert len(told) == 0
