"""`./orders check` and `./orders test`: the checks of a change, in a minute and in full."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import typer

_CHECKOUT = Path(__file__).parents[2]
_WORKERS = 3
"""One more than two processors can run, since much of the time is waiting."""
_SPREAD = ("-n", str(_WORKERS), "--dist", "loadfile", "--no-loadscope-reorder")
"""Each file goes to one worker as a whole; files come in the order of tests/support/order.py, not by the number of their tests."""
_HOUSE = "tests/unit/house"
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("style", ("ruff", "check", "--quiet", ".")),
    ("format", ("ruff", "format", "--check", "--quiet", ".")),
    ("types", ("mypy", "--no-error-summary")),
    ("schemas", ("order_service", "schemas", "check")),
    ("docs/openapi.json", ("pytest", "-q", f"{_HOUSE}/test_openapi_page.py")),
    ("docs/asyncapi.json", ("pytest", "-q", f"{_HOUSE}/test_asyncapi_page.py")),
    ("docs/settings.md", ("pytest", "-q", f"{_HOUSE}/test_settings_page.py")),
    ("requirements.lock", ("pytest", "-q", f"{_HOUSE}/test_requirements_lock.py")),
)
"""Each check's subject, and the module that runs it with its arguments."""


def check() -> None:
    """Check style, types, and that everything generated is as the code has it. All is run; exits 1 when something is wrong."""
    wrong = [name for name, command in STEPS if not _holds(name, command)]
    if wrong:
        sys.stderr.write(f"wrong: {', '.join(wrong)}\n")
    raise typer.Exit(1 if wrong else 0)


def _holds(name: str, command: Sequence[str]) -> bool:
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 our own tools
        [sys.executable, "-m", *command], cwd=_CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    holds = done.returncode == 0
    sys.stdout.write(f"{'ok' if holds else 'FAIL':4}  {name:18}  {time.monotonic() - began:.1f} s\n{'' if holds else done.stdout}")
    sys.stdout.flush()
    return holds


def test(context: typer.Context) -> None:
    """Run pytest on the project's tests, with servers of their own; all arguments are passed on to it.

    Properties are tried on some examples; with `--hypothesis-profile=thorough` on three times as many.
    """
    arguments = [_as_seen_from_here(argument) for argument in context.args]
    os.chdir(_CHECKOUT)
    _keep_compiled_code()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", *_side_by_side(arguments), *arguments])  # noqa: S606 the exit code is pytest's


def _keep_compiled_code() -> None:
    """Put compiled files into a cache where the user wants none beside the sources: else each process compiles everything anew."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(_CHECKOUT / ".orders" / "cache" / "compiled"))


def _side_by_side(arguments: Sequence[str]) -> Sequence[str]:
    """Arguments for testing files side by side, since most of the time is waiting for servers; none for looking into one test."""
    alone = {"-n", "--numprocesses", "--pdb", "--trace", "-s", "--collect-only", "--co"}
    return () if any(argument.split("=")[0] in alone for argument in arguments) else _SPREAD


def _as_seen_from_here(argument: str) -> str:
    """A path relative to the user's current folder, made absolute; anything else unchanged."""
    path, separator, test_name = argument.partition("::")
    return f"{Path(path).absolute()}{separator}{test_name}" if not path.startswith("-") and path and Path(path).exists() else argument
