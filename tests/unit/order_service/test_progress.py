"""How far a long command is, for people, for logs and for machines."""

import io

import pytest

from order_service.progress import Progress, new_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_new_phase_is_told_at_once_and_the_same_one_only_now_and_then() -> None:
    told = io.StringIO()
    with new_progress(told, every_s=60) as shown:
        shown.show("too early", 0, 4)
        shown.show("first", 1, 4, phase="folding")
        shown.show("too soon", 2, 4, phase="folding")
        shown.show("next", 4, 4, phase="done")
    assert told.getvalue() == "first\nnext\n"


def test_what_is_said_is_said_even_when_quiet() -> None:
    told = io.StringIO()
    with new_progress(told, every_s=0, quiet=True) as shown:
        shown.show("progress", 1, 2, phase="any")
        shown.say("line 3: is not JSON")
    assert told.getvalue() == "line 3: is not JSON\n"


@pytest.mark.parametrize("total", [4, 0, None])
def test_a_person_sees_a_bar_with_the_text(total: int | None) -> None:
    told = Terminal()
    shown = new_progress(told, every_s=60)
    assert type(shown) is not Progress
    with shown:
        shown.show("half of it", 2, total)
        shown.say("a line [beside] it")
    assert "half of it" in told.getvalue()
    assert "a line [beside] it" in told.getvalue()
