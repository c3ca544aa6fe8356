"""`python -m tools.bench.parts.charts FILE FOLDER`: draws the curves of FILE as SVG pictures, two lines a picture at most.

The pictures are drawn by hand: seven pictures are not worth a plotting library among the dependencies, and the text of these SVGs can
be compared line by line from one measurement to the next.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 70, 46, 48
_COLOURS = ("#1f6feb", "#b35900")
_SIDES = ((_LEFT - 8, "end", 8, "start"), (WIDTH - _RIGHT + 8, "start", WIDTH - 8, "end"))
_STYLE = "font-family:system-ui,sans-serif;font-size:12px"


class Axis(NamedTuple):
    """A scale from values to pixels. `low` and `high` are ends of a logarithmic scale if `logarithmic`, else 0 and a round number."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool

    def at(self, value: float) -> float:
        """The pixel of a value."""
        if self.logarithmic:
            share = math.log(value / self.low) / (math.log(self.high / self.low) or 1.0)
        else:
            share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.begin + share * (self.end - self.begin)


def round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 and 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def number(value: float) -> str:
    """Short: 1,500 and 1M."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1_000:g}k" if value >= 10_000 else f"{value:,g}"


def picture(title: str, points: Sequence[dict[str, float]]) -> str:
    """The SVG of one curve: `x` against the other figures, the first on the left axis, the second on the right."""
    xs = [point["x"] for point in points]
    names = [name for name in points[0] if name != "x"][:2]
    across = Axis(min(xs), max(xs), _LEFT, WIDTH - _RIGHT, max(xs) / max(min(xs), 1e-9) > 3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" style="{_STYLE}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-weight="bold" fill="#1f2328">{escape(title)}</text>',
        *_across(across, xs, title.partition(" by ")[2]),
    ]
    for index, name in enumerate(names):
        parts += _line(across, xs, [point[name] for point in points], name, index)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _across(axis: Axis, xs: Sequence[float], label: str) -> list[str]:
    base = HEIGHT - _BOTTOM
    ticks = [f'<text x="{axis.at(x):.1f}" y="{base + 16}" text-anchor="middle" fill="#59636e">{number(x)}</text>' for x in xs]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return [
        f'<line x1="{_LEFT}" y1="{base}" x2="{WIDTH - _RIGHT}" y2="{base}" stroke="#59636e"/>',
        *ticks,
        f'<text x="{middle}" y="{base + 36}" text-anchor="middle" fill="#59636e">{escape(label)}</text>',
    ]


def _line(across: Axis, xs: Sequence[float], ys: Sequence[float], name: str, index: int) -> list[str]:
    """The first line has its scale on the left and the grid, the second one dashes and its scale on the right."""
    colour, top = _COLOURS[index], round_up(max(ys))
    up = Axis(0.0, top, HEIGHT - _BOTTOM, _TOP, logarithmic=False)
    levels = [(top * part / 4, up.at(top * part / 4)) for part in range(5)]
    beside, anchor, corner, corner_anchor = _SIDES[index]
    marks = [(across.at(x), up.at(y)) for x, y in zip(xs, ys, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in marks)
    grid = [f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#d1d9e0"/>' for _, y in levels[1:]]
    dashes = ' stroke-dasharray="5 4"' if index else ""
    return [
        *([] if index else grid),
        *(f'<text x="{beside}" y="{y + 4:.1f}" text-anchor="{anchor}" fill="{colour}">{number(value)}</text>' for value, y in levels),
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in marks),
        f'<text x="{corner}" y="{_TOP - 10}" text-anchor="{corner_anchor}" fill="{colour}">{escape(name)}</text>',
    ]


def draw(curves: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write a picture of each curve; returns the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for curve in curves:
        path = folder / f"{curve['curve'].replace(' ', '-')}.svg"
        path.write_text(picture(curve["curve"], curve["points"]), encoding="utf-8")
        written.append(path)
    return written


def main() -> None:
    """Draw a file."""
    parser = argparse.ArgumentParser(description="Draw the curves that tools.bench.parts.curves measured.")
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    draw(json.loads(arguments.file.read_text(encoding="utf-8"))["curves"], arguments.folder)


if __name__ == "__main__":
    main()
