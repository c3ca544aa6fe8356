"""The command line as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from order_service.cli import COMMANDS, main

CHECKOUT = Path(__file__).parents[3]


def orders(*arguments: str) -> int | str | None:
    """The exit code."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_help_names_every_command_and_loads_none() -> None:
    script = """if True:
        import sys, order_service.cli
        try:
            order_service.cli.main(["--help"])
        finally:
            print(sorted(name for name in sys.modules if name.startswith(("order_service.", "tools"))))"""
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True).stdout
    assert shown.endswith("['order_service.checkout', 'order_service.cli']\n")
    assert all(f" {command.name} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_can_be_loaded(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert orders(command, "--help") == 0
    assert f"./orders {command}" in capsys.readouterr().out


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the project was installed from its wheel."""
    for name in [name for name in sys.modules if f"{name}.".startswith("tools.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tools", None)


@pytest.mark.usefixtures("without_tools")
@pytest.mark.parametrize("command", [command.name for command in COMMANDS if command.target.startswith("tools.")])
def test_a_command_that_only_a_checkout_has_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert orders(command, "--help") == 2
    assert f"`orders {command}` needs a checkout of the project" in capsys.readouterr().err


@pytest.mark.usefixtures("without_tools")
def test_every_other_command_needs_none(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (command.name for command in COMMANDS if not command.target.startswith("tools.")):
        assert orders(command, "--help") == 0
        assert f"./orders {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["nonsense"], ["status", "--nonsense"], ["up", "--workers", "none"]])
def test_wrong_use_is_2(arguments: list[str]) -> None:
    assert orders(*arguments) == 2


def test_an_unusable_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ORDERS_HTTP_PORT", "http")
    assert orders("status") == 2
    assert capsys.readouterr().err.startswith("setting ORDERS_HTTP_PORT: ")


def test_the_script_is_plain_shell() -> None:
    assert subprocess.run(["sh", "-n", CHECKOUT / "orders"], check=False).returncode == 0
    assert (CHECKOUT / "orders").stat().st_mode & 0o111
