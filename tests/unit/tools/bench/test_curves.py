"""Curves are read off runs and drawn; findings say what is wanted of them."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.bench.machine import Machine
from tools.bench.parts.charts import draw, number, picture, round_up
from tools.bench.parts.curves import Curve, Look, Point, along
from tools.bench.report import Finding, LoadResult


def test_the_rate_at_a_target_is_that_of_the_stretch_before_it() -> None:
    looks = [Look(100 * step, step * (0.1 if step <= 100 else 0.2), float(step)) for step in range(1, 201)]
    (early, late) = along(looks, [9_000, 20_000, 30_000], "things/s")
    assert early == Point(9_000, {"things/s": pytest.approx(1_000.0), "memory MiB": 90.0})
    assert late.x == 20_000
    assert late.figures["things/s"] == pytest.approx(500.0, rel=0.01)


@pytest.mark.parametrize(("value", "above"), [(0.7, 1.0), (1.0, 1.0), (11.0, 20.0), (21.0, 25.0), (260.0, 500.0), (501.0, 1_000.0)])
def test_scales_end_at_round_numbers(value: float, above: float) -> None:
    assert round_up(value) == pytest.approx(above)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.5, 50, 1_500, 25_000, 1_000_000)] == ["0.5", "50", "1,500", "25k", "1M"]


def test_a_curve_is_drawn_within_its_picture(tmp_path: Path) -> None:
    points = [Point(x, {"commands/s": 20_000 - x / 100, "memory MiB": 90.0}) for x in (10_000.0, 100_000.0, 1_000_000.0)]
    curve = Curve("decide by orders <in> the state", points).as_object()
    (path,) = draw([curve], tmp_path)
    drawn = ElementTree.parse(path).getroot()
    width, height = float(drawn.attrib["width"]), float(drawn.attrib["height"])
    dots = drawn.findall("{http://www.w3.org/2000/svg}circle")
    assert len(dots) == 6
    assert all(0 < float(dot.attrib["cx"]) < width and 0 < float(dot.attrib["cy"]) < height for dot in dots)
    assert "&lt;in&gt;" in picture(curve["curve"], curve["points"])


def test_a_finding_says_whether_it_is_as_wanted() -> None:
    assert Finding("p99", 49.0, "ms", at_most=50).stands
    assert not Finding("p99", 51.0, "ms", at_most=50).stands
    assert not Finding("frames", 9.0, at_least=10, at_most=10).stands
    assert str(Finding("p99", 51.0, "ms", at_most=50)) == "  p99: 51 ms  (at most 50 wanted: NO)"
    machine = Machine(2, 24.0, "a processor", "a system", "3.11.7", 0.5, 30.0)
    result = LoadResult("2026-01-01T00:00:00+00:00", machine, "hold", [Finding("p99", 49.0, at_most=50), Finding("told", 1.0)])
    assert result.stands
    assert result.as_object()["findings"][1] == {
        "what": "told",
        "value": 1.0,
        "unit": "",
        "at_most": None,
        "at_least": None,
        "stands": True,
    }
