"""How far a rebuild or a verification is: a bar on a terminal, a plain line every few seconds elsewhere, JSON lines for machines."""

import sys
import time
from typing import Any, Self

import orjson
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

_EVERY_S = 2.0
_REDRAW_S = 0.2


class Meter:
    """Plain lines on standard error, one every 2 s and one for each new phase."""

    def __init__(self) -> None:
        self._next, self._phase = 0.0, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def say(self, text: str) -> None:
        """One line beside the progress."""
        sys.stderr.write(text + "\n")

    def show(self, phase: str, numbers: dict[str, Any]) -> None:
        """This is how far it is: `records` of `total`, perhaps `rate` and `eta_s`."""
        if phase == self._phase and time.monotonic() < self._next:
            return
        self._next, self._phase = time.monotonic() + _EVERY_S, phase
        self._write(phase, numbers)

    def _write(self, phase: str, numbers: dict[str, Any]) -> None:
        self.say(_line(phase, numbers))


class _JsonMeter(Meter):
    def say(self, text: str) -> None:
        del text  # machines read results

    def _write(self, phase: str, numbers: dict[str, Any]) -> None:
        sys.stdout.write(orjson.dumps({"progress": phase} | numbers).decode() + "\n")
        sys.stdout.flush()


class _BarMeter(Meter):
    def __init__(self) -> None:
        super().__init__()
        self._bar = Bar(BarColumn(), TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def show(self, phase: str, numbers: dict[str, Any]) -> None:
        if phase == self._phase and time.monotonic() < self._next:
            return
        self._next, self._phase = time.monotonic() + _REDRAW_S, phase
        self._bar.update(self._task, completed=numbers["records"], total=numbers["total"] or None, description=_line(phase, numbers))


def new_meter(*, as_json: bool) -> Meter:
    """A bar when a person watches, lines otherwise."""
    if as_json:
        return _JsonMeter()
    return _BarMeter() if sys.stderr.isatty() else Meter()


def _line(phase: str, numbers: dict[str, Any]) -> str:
    records, total = numbers["records"], numbers["total"]
    percent = 100 * records / total if total else 100.0
    parts = [f"{phase} {percent:5.1f} %", f"{records} of {total} records"]
    if numbers.get("rate"):
        parts.append(f"{numbers['rate']:.0f}/s")
    if numbers.get("eta_s") is not None and phase == "folding":
        parts.append(f"{numbers['eta_s']:.0f} s left")
    return ", ".join(parts)
