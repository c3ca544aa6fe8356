"""`./orders test`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

_CHECKOUT = Path(__file__).parents[2]
_WORKERS = 2


def test(context: typer.Context) -> None:
    """Run pytest on the project's tests, with servers of their own; all arguments are passed on to it."""
    arguments = [_as_seen_from_here(argument) for argument in context.args]
    os.chdir(_CHECKOUT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", *_side_by_side(arguments), *arguments])  # noqa: S606 the exit code is pytest's


def _side_by_side(arguments: Sequence[str]) -> Sequence[str]:
    """Files are tested side by side, since most of the time goes into waiting for servers; not where someone looks into one test."""
    alone = {"-n", "--numprocesses", "--pdb", "--trace", "-s", "--collect-only", "--co"}
    return () if any(argument.split("=")[0] in alone for argument in arguments) else ("-n", str(_WORKERS), "--dist", "loadfile")


def _as_seen_from_here(argument: str) -> str:
    """A path that the user gave relative to where they stand, made absolute; anything else unchanged."""
    path, separator, test_name = argument.partition("::")
    return f"{Path(path).absolute()}{separator}{test_name}" if not path.startswith("-") and path and Path(path).exists() else argument
