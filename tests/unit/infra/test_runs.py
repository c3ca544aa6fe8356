"""The next offset and nothing else: repeats are dropped, a hole ends the run."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from infra.event_log.runs import run_from


def _records(*offsets: int):
    return [SimpleNamespace(offset=offset) for offset in offsets]


def _run(next_offset: int, *offsets: int) -> tuple[list[int], bool]:
    run, hole = run_from(next_offset, _records(*offsets))
    return [record.offset for record in run], hole


def test_a_run_that_begins_at_the_next_offset_is_taken_whole():
    assert _run(5, 5, 6, 7) == ([5, 6, 7], False)


def test_lower_offsets_are_dropped():
    assert _run(6, 4, 5, 6, 7) == ([6, 7], False)
    assert _run(9, 4, 5) == ([], False)


def test_a_higher_first_offset_is_a_hole():
    assert _run(5, 6, 7) == ([], True)


def test_a_hole_inside_ends_the_run():
    assert _run(5, 5, 6, 8, 9) == ([5, 6], True)


def test_an_empty_fetch_is_nothing():
    assert _run(5) == ([], False)


@given(st.integers(0, 20), st.lists(st.integers(0, 30), unique=True).map(sorted))
def test_what_is_taken_always_goes_on_at_the_next_offset(next_offset, offsets):
    run, hole = _run(next_offset, *offsets)

    assert run == list(range(next_offset, next_offset + len(run)))
    assert hole == any(offset > next_offset + len(run) - 1 for offset in offsets if offset >= next_offset + len(run))
