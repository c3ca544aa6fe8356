"""How far a long command is: a bar on a terminal, a plain line every few seconds elsewhere, JSON lines for machines."""

import sys
import time
from collections.abc import Mapping
from typing import Any, Self, TextIO

import orjson
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

_REDRAW_S = 0.1


class Progress:
    """Plain lines, one every `every_s` seconds and one for each new phase; `quiet`: only what `say` is given."""

    def __init__(self, to: TextIO, *, every_s: float, quiet: bool = False) -> None:
        self._to, self._every_s, self._quiet = to, every_s, quiet
        self._next, self._phase = time.monotonic() + every_s, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def say(self, text: str) -> None:
        """Print one line beside the progress."""
        self._to.write(text + "\n")
        self._to.flush()

    def show(self, text: str, done: int, total: int | None, *, phase: str = "", numbers: Mapping[str, Any] | None = None) -> None:
        """`done` of `total`, None when the number is unknown. `text` says it to people, `numbers` to machines."""
        if self._quiet or (phase == self._phase and time.monotonic() < self._next):
            return
        self._next, self._phase = time.monotonic() + self._every_s, phase
        self._write(text, done, total, numbers or {})

    def _write(self, text: str, done: int, total: int | None, numbers: Mapping[str, Any]) -> None:
        del done, total, numbers
        self.say(text)


class _JsonLines(Progress):
    def say(self, text: str) -> None:
        del text  # machines read results

    def _write(self, text: str, done: int, total: int | None, numbers: Mapping[str, Any]) -> None:
        del text, done, total
        self._to.write(orjson.dumps({"progress": self._phase, **numbers}).decode() + "\n")
        self._to.flush()


class _TerminalBar(Progress):
    def __init__(self, to: TextIO) -> None:
        super().__init__(to, every_s=_REDRAW_S)
        self._next = 0.0
        columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Bar(*columns, console=Console(file=to), transient=True)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def _write(self, text: str, done: int, total: int | None, numbers: Mapping[str, Any]) -> None:
        del numbers
        self._bar.update(self._task, completed=done, total=total or None, description=text)


def new_progress(to: TextIO, *, every_s: float, quiet: bool = False) -> Progress:
    """A bar when a person watches, lines otherwise."""
    return _TerminalBar(to) if to.isatty() and not quiet else Progress(to, every_s=every_s, quiet=quiet)


def json_progress() -> Progress:
    """JSON lines on standard output, one every 2 s and one for each new phase."""
    return _JsonLines(sys.stdout, every_s=2.0)
