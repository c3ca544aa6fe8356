"""Progress of a download: a bar on a terminal, a line now and then elsewhere."""

import sys
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

_EVERY = 0.25


class FetchProgress:
    """Called with the bytes done and the bytes in all."""

    def __init__(self) -> None:
        on_terminal = sys.stdout.isatty()
        self._bar = Progress(TextColumn("  "), BarColumn(), DownloadColumn(), TransferSpeedColumn()) if on_terminal else None
        self._task = self._bar.add_task("") if self._bar else None
        self._told = 0.0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show it."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif done == total or done / total >= self._told + _EVERY:
            self._told = done / total
            sys.stdout.write(f"  {done / 1e6:.0f} of {total / 1e6:.0f} MB\n")
            sys.stdout.flush()
