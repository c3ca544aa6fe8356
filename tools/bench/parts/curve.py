"""How one thing grows with another: points, and rates read off a long run. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Point(NamedTuple):
    """At `x`, the figures by their names."""

    x: float
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one variable."""

    name: str
    points: Sequence[Point]

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "curve": self.name,
            "points": [{"x": x, **{n: float(f"{v:.5g}") for n, v in figures.items()}} for x, figures in self.points],
        }


class Look(NamedTuple):
    """One look at a long run: how many are done, seconds since it began, memory in MiB."""

    done: int
    seconds: float
    memory_mib: float


def along(looks: Sequence[Look], targets: Sequence[int], rate: str) -> list[Point]:
    """At each target that the run reached, the rate over the stretch just before (from two thirds of it on), and the memory there."""
    points = []
    for target in targets:
        reached = [look for look in looks if look.done >= target]
        before = [look for look in looks if look.done <= 2 * target / 3]
        if not reached or not before or reached[0].seconds <= before[-1].seconds:
            continue
        end, begin = reached[0], before[-1]
        speed = (end.done - begin.done) / (end.seconds - begin.seconds)
        points.append(Point(target, {rate: speed, "memory MiB": end.memory_mib}))
    return points
