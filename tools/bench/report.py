"""The results of a run or a load, for people and for programs. No I/O of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.bench.machine import Machine
from tools.bench.measuring import Figure, PartResult

_BAR = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure. `at_most`, `at_least`: the wanted bound, None when the figure is only told."""

    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def stands(self) -> bool:
        """Whether the figure is as wanted."""
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        wanted = {"at_most": self.at_most, "at_least": self.at_least}
        return {"what": self.what, "value": float(f"{self.value:.5g}"), "unit": self.unit, **wanted, "stands": self.stands}

    def __str__(self) -> str:
        wanted = [f"at most {self.at_most:g}"] if self.at_most is not None else []
        wanted += [f"at least {self.at_least:g}"] if self.at_least is not None else []
        judged = f"  ({', '.join(wanted)} wanted: {'yes' if self.stands else 'NO'})" if wanted else ""
        number = f"{self.value:,.0f}" if abs(self.value) >= 1_000 else f"{self.value:.3g}"
        return f"  {self.what}: {number} {self.unit}".rstrip() + judged


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A load and its findings."""

    at: str
    machine: Machine
    name: str
    findings: Sequence[Finding]

    @property
    def stands(self) -> bool:
        """Whether everything is as wanted."""
        return all(finding.stands for finding in self.findings)

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        findings = [finding.as_object() for finding in self.findings]
        return {"at": self.at, "machine": self.machine.as_object(), "load": self.name, "findings": findings}

    def __str__(self) -> str:
        return "\n".join([f"{self.machine}", f"{self.name}:", *map(str, self.findings)]) + "\n"


@dataclass(frozen=True, slots=True)
class Report:
    """A run. `at`: when it began, UTC; `size`: full, quick or tiny; `failed`: what could not be measured, with the reason."""

    at: str
    size: str
    machine: Machine
    parts: Sequence[PartResult]
    failed: Sequence[str] = ()


def as_object(report: Report) -> dict[str, Any]:
    """For JSON."""
    return {
        "at": report.at,
        "size": report.size,
        "machine": report.machine.as_object(),
        "parts": [_part_object(part) for part in report.parts],
        "failed": list(report.failed),
    }


def _part_object(part: PartResult) -> dict[str, Any]:
    return {
        "part": part.name,
        "what": part.what,
        "floor_is": part.floor_is,
        "figures": [_figure_object(figure) for figure in part.figures],
        "extras": {name: _short(value) for name, value in part.extras.items()},
        "floor_extras": {name: _short(value) for name, value in part.floor_extras.items()},
    }


def _figure_object(figure: Figure) -> dict[str, Any]:
    return {
        "metric": figure.metric.name,
        "unit": figure.metric.unit,
        "better": "more" if figure.metric.more_is_better else "less",
        "rounds": [_short(value) for value in figure.measured],
        "floor_rounds": [_short(value) for value in figure.floor],
        "median": _short(figure.median),
        "spread": _short(figure.spread),
        "floor_median": _short(figure.floor_median),
        "ratio": _short(figure.ratio),
        "wanted": figure.metric.wanted,
        "stands": figure.stands,
    }


def as_text(report: Report, *, bars: bool) -> str:
    """Lines; with `bars`, as on a terminal, each figure is drawn beside its floor."""
    lines = [f"{report.machine}; {report.size} size"]
    for part in report.parts:
        lines += ["", f"{part.name}: {part.what}", f"  floor: {part.floor_is}"]
        for figure in part.figures:
            lines += _drawn(figure) if bars else [_plain(figure)]
        extras = [f"{name} {_number(value)}" for name, value in part.extras.items()]
        lines += [f"  {', '.join(extras)}"] if extras else []
    return "\n".join([*lines, *(f"\n{reason}" for reason in report.failed)]) + "\n"


def _plain(figure: Figure) -> str:
    floor = f", floor {_number(figure.floor_median)}, {_ratio(figure)}" if figure.floor_median is not None else ""
    return f"  {figure.metric.name} {_number(figure.median)} (spread {figure.spread:.0%}){floor}{_judged(figure)}"


def _drawn(figure: Figure) -> list[str]:
    floor = figure.floor_median
    largest = max(figure.median, floor or 0.0) or 1.0
    lines = [f"  {figure.metric.name:<26} {_number(figure.median):>10}  {_bar(figure.median / largest)}  spread {figure.spread:.0%}"]
    if floor is not None:
        ratio = f"{_ratio(figure)}{_judged(figure)}"
        lines.append(f"  {'floor':>26} {_number(floor):>10}  {_bar(floor / largest, '░')}  {ratio}")
    return lines


def _ratio(figure: Figure) -> str:
    return "no ratio" if figure.ratio is None else f"ratio {figure.ratio:.2f}"


def _judged(figure: Figure) -> str:
    if figure.stands is None:
        return ""
    bound = "at least" if figure.metric.more_is_better else "at most"
    return f" ({bound} {figure.metric.wanted:g} wanted: {'yes' if figure.stands else 'NO'})"


def _bar(share: float, block: str = "█") -> str:
    return (block * max(1, round(_BAR * share))).ljust(_BAR)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
