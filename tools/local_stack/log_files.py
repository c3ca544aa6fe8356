"""The services' log files: kept small, read at the end, followed."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

LARGEST_BYTES = 10_000_000
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


def rotate(log: Path, largest_bytes: int = LARGEST_BYTES) -> None:
    """Move the content of a log that has grown too large to `NAME.log.1`, which it replaces.

    The processes that write go on with the same open file, which is emptied: no pipe, so nothing here can hold them up.
    """
    try:
        if log.stat().st_size <= largest_bytes:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)


def put_aside(log: Path) -> None:
    """Rename the log of a run that has ended to `NAME.log.1`, so that the log holds only the run to come."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))


def logs_of(folder: Path, service: str | None = None) -> list[Path]:
    """The log files of a service (`kafka-2.log` is kafka's too), or all."""
    return sorted(log for log in folder.glob("*.log") if service is None or log.stem == service or _is_numbered(log.stem, service))


def _is_numbered(stem: str, service: str) -> bool:
    name, _, number = stem.rpartition("-")
    return name == service and number.isdigit()


class LogFollower:
    """Prints new lines of several logs, each with the name of its log in front."""

    def __init__(self, find: Callable[[], Iterable[Path]], *, last_lines: int = 0) -> None:
        """`find` is asked again and again: logs may appear. Begins with the last lines of those that are there."""
        self._find = find
        self._places = {log: _place_of_last_lines(log, last_lines) for log in find()}
        self._rests: dict[Path, bytes] = {}
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def follow(self, stop: threading.Event) -> None:
        """Print new lines until `stop` is set, and then the rest."""
        while not stop.wait(0.2):
            self.print_new()
        self.print_new()

    def print_new(self) -> None:
        """Print what came since the last call."""
        logs = list(self._find())
        width = max((len(log.stem) for log in logs), default=0)
        for number, log in enumerate(logs):
            if lines := self._new_lines(log):
                sys.stdout.write("".join(f"{self._prefix(log.stem.ljust(width), number)} {line}\n" for line in lines))
        sys.stdout.flush()

    def _prefix(self, name: str, number: int) -> str:
        return f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{name} |\x1b[0m" if self._coloured else f"{name} |"

    def _new_lines(self, log: Path) -> list[str]:
        try:
            with log.open("rb") as content:
                size = os.fstat(content.fileno()).st_size
                place = self._places.get(log, 0)
                content.seek(place if place <= size else 0)  # emptied by rotate
                new = content.read()
                self._places[log] = content.tell()
        except FileNotFoundError:
            return []
        *lines, self._rests[log] = (self._rests.get(log, b"") + new).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def _place_of_last_lines(log: Path, count: int) -> int:
    content = log.read_bytes()
    place = len(content)
    for _ in range(count + 1 if count else 0):
        place = content.rfind(b"\n", 0, place)
        if place < 0:
            return 0
    return min(place + 1, len(content)) if count else len(content)
