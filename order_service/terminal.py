"""What commands write for people: aligned columns, text that a terminal can't obey, local times, and the one line of a failure."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

import typer


def table(rows: Sequence[Sequence[str]], *, indent: int = 2) -> str:
    """The rows as lines, each column as wide as its widest cell; the last one runs free.

    No frames, and nothing is wrapped, so that lines can be copied and searched.
    """
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows)
    return "".join(f"{' ' * indent}{line}".rstrip() + "\n" for line in lines)


def printable(text: object) -> str:
    """The text with every control character replaced: senders choose it, and a terminal obeys control characters."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def local_time(moment: str) -> str:
    """A time in ISO 8601 as the clock on the wall shows it, to the second."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def fail(message: str, code: int) -> NoReturn:
    """End the command with one line on standard error and this exit code."""
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(code)
