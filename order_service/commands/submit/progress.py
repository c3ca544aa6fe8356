"""How far a submission is: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from order_service.commands.submit.outcomes import Counts

_EVERY_S = 5.0
_REDRAW_S = 0.1


def _said(counts: Counts) -> str:
    return f"accepted {counts.accepted}, rejected {counts.rejected}, repeated {counts.repeated}, failed {counts.failed}"


class Progress:
    """Plain lines on standard error; also what `--json` uses, without any."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._next = quiet, time.monotonic() + _EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def tell(self, text: str) -> None:
        """Say something about one line."""
        sys.stderr.write(text + "\n")

    def update(self, counts: Counts, done: int, size: int | None) -> None:
        """`done` of `size` bytes were read; None when nobody knows how many there are."""
        if self._quiet or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        self.tell(_said(counts) + (f", {100 * done // size} % of the file read" if size else ""))


class _TerminalProgress(Progress):
    """A bar."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self._next = 0.0
        self._bar = Bar(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, text: str) -> None:
        """Say something above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def update(self, counts: Counts, done: int, size: int | None) -> None:
        """Move the bar."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _REDRAW_S
        self._bar.update(self._task, completed=done, total=size, description=_said(counts))


def new_progress(*, quiet: bool) -> Progress:
    """A bar when a person watches, lines otherwise."""
    return _TerminalProgress() if sys.stderr.isatty() and not quiet else Progress(quiet=quiet)
