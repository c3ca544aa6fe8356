"""Aligned columns for people: no frames, nothing wrapped, so that lines can be copied and searched."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], *, indent: int = 2) -> str:
    """The rows as lines, each column as wide as its widest cell; the last one runs free."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows)
    return "".join(f"{' ' * indent}{line}".rstrip() + "\n" for line in lines)
