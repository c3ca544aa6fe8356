"""`./orders check` runs every step, and says which one failed."""

import pytest
import typer

from tests.support.house import ROOT
from tools.commands import check as module

FAILS, HOLDS = ("a step that fails", ("json.tool", "no-such-file")), ("a step that holds", ("json.tool", "--help"))


def checked(monkeypatch: pytest.MonkeyPatch, *steps: tuple[str, tuple[str, ...]]) -> int:
    monkeypatch.setattr(module, "STEPS", steps)
    with pytest.raises(typer.Exit) as ended:
        module.check()
    return ended.value.exit_code


def test_all_is_run_though_the_first_step_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(monkeypatch, FAILS, HOLDS) == 1
    told = capsys.readouterr()
    assert told.out.startswith("FAIL  a step that fails")
    assert "no-such-file" in told.out
    assert "\nok    a step that holds" in told.out
    assert told.err == "wrong: a step that fails\n"


def test_nothing_wrong_is_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(monkeypatch, HOLDS) == 0
    assert capsys.readouterr().err == ""


def test_every_test_that_a_step_names_is_there() -> None:
    named = [argument for _, command in module.STEPS for argument in command if argument.endswith(".py")]
    assert named
    assert not [name for name in named if not (ROOT / name).is_file()]
