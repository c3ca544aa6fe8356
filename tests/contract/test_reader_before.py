"""The reader of 0b5ddea, before messages became structs, and today's: the same verdicts and values, but for differences with a name.

`python -m tests.support.readers.compared` asks that reader itself, about a million messages; here are some of them with its answers.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.house import ROOT
from tests.support.readers.after import answer
from tests.support.readers.differences import NAMES, UNNAMED, names_of
from tests.support.readers.kept import read

_PAGE = Path("docs/decisions/0014-messages-by-msgspec.md")
_NOT_YET = {"version_that_was_released_since"}
_TOO_LARGE_TO_KEEP = {"deep_nesting_that_ended_the_reader_before"}


@pytest.fixture(scope="module")
def kept():
    return read()


def test_both_readers_say_the_same_but_for_the_differences_that_have_a_name(kept):
    other = [
        f"{one.message.value!r}\n  before {one.before}\n  today  {today}"
        for one in kept
        for today in [answer(one.message)]
        if UNNAMED in names_of(one.message, one.before, today)
    ]

    assert not other, "\n".join(other[:5])


def test_no_difference_has_gone_unnoticed(kept):
    """A wanted difference that comes to nothing is a change of what counts, too."""
    changed = [
        (one.message.value, one.names, now)
        for one in kept
        for now in [tuple(names_of(one.message, one.before, answer(one.message)))]
        if one.names != now and not _NOT_YET & set(now)
    ]

    assert not changed


def test_every_difference_is_tried_and_so_is_every_verdict(kept):
    found = Counter(name for one in kept for name in one.names)

    assert found.keys() == set(NAMES) - _NOT_YET - _TOO_LARGE_TO_KEEP
    assert sum(not one.names for one in kept) >= 1000
    verdicts = {"command", "invalid", "unreadable", "newer", "counts", "void", "garbage"}
    assert {one.before.verdict for one in kept} == {answer(one.message).verdict for one in kept} == verdicts


@pytest.mark.parametrize("name", NAMES)
def test_every_difference_is_told_in_the_decision(name):
    assert f"`{name}`" in (ROOT / _PAGE).read_text(encoding="utf-8")
