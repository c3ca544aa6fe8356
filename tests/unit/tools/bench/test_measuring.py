"""Rounds in turns, and what they come to."""

import asyncio
from collections.abc import Sequence

import pytest

from tools.bench.machine import Machine
from tools.bench.measuring import Metric, Sample, result_of, run_part, spread
from tools.bench.report import Report, as_object, as_text
from tools.bench.run import RESULTS

SPEED = Metric("things/s", "things/s", wanted=0.8)
COST = Metric("CPU ms a thing", "ms", more_is_better=False, wanted=1.7)


class Pretended:
    """A part that notes what is asked of it."""

    name, what, floor_is = "pretended", "nothing at all", "less than that"
    metrics: Sequence[Metric] = (SPEED, COST)

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[str] = []
        self._fails = fails

    async def enter(self) -> None:
        self.asked.append("enter")

    async def measured(self) -> Sample:
        self.asked.append("measured")
        if self._fails:
            raise OSError("no more")
        return {"things/s": 80.0 + len(self.asked), "CPU ms a thing": 3.0, "memory MiB": 7.0}

    async def floor(self) -> Sample:
        self.asked.append("floor")
        return {"things/s": 100.0, "CPU ms a thing": 2.0}

    async def leave(self) -> None:
        self.asked.append("leave")


def _machine() -> Machine:
    return Machine(2, 24.0, "a processor", "a system", "3.11.7", 0.5, 30.0)


async def test_rounds_take_turns_after_a_warm_up_that_does_not_count() -> None:
    part = Pretended()
    result = await run_part(part, rounds=3, warm_up=True, tell=lambda _: None)
    assert part.asked == ["enter", "floor", "measured", "measured", "floor", "floor", "measured", "measured", "floor", "leave"]
    assert [len(figure.measured) for figure in result.figures] == [3, 3]


async def test_a_part_that_fails_is_left_all_the_same() -> None:
    part = Pretended(fails=True)
    with pytest.raises(OSError, match="no more"):
        await run_part(part, rounds=3, warm_up=False, tell=lambda _: None)
    assert part.asked[-1] == "leave"


async def test_a_round_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.bench.measuring.ROUND_S", 0.01)
    part = Pretended()
    monkeypatch.setattr(part, "floor", asyncio.Event().wait)
    with pytest.raises(TimeoutError):
        await run_part(part, rounds=1, warm_up=False, tell=lambda _: None)
    assert part.asked[-1] == "leave"


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    measured = [{"things/s": value, "CPU ms a thing": 3.0} for value in (50.0, 90.0, 800.0)]
    floor = [{"things/s": value, "CPU ms a thing": 2.0} for value in (100.0, 100.0, 1000.0)]
    speed, cost = result_of(Pretended(), measured, floor).figures
    assert (speed.ratio, speed.median, speed.floor_median) == (0.8, 90.0, 100.0)
    assert cost.ratio == 1.5


@pytest.mark.parametrize(("speed", "stands"), [(81.0, True), (80.0, True), (79.0, False)])
def test_more_is_better_needs_at_least_the_wanted_ratio(speed: float, stands: bool) -> None:
    figure, _ = result_of(Pretended(), [{"things/s": speed, "CPU ms a thing": 1.0}], [{"things/s": 100.0, "CPU ms a thing": 1.0}]).figures
    assert figure.stands is stands


@pytest.mark.parametrize(("cost", "stands"), [(1.7, True), (1.8, False)])
def test_less_is_better_needs_at_most_the_wanted_ratio(cost: float, stands: bool) -> None:
    _, figure = result_of(Pretended(), [{"things/s": 1.0, "CPU ms a thing": cost}], [{"things/s": 1.0, "CPU ms a thing": 1.0}]).figures
    assert figure.stands is stands


def test_a_floor_that_was_too_small_to_see_gives_no_ratio() -> None:
    part = result_of(Pretended(), [{"things/s": 70.0, "CPU ms a thing": 3.0}], [{"things/s": 100.0, "CPU ms a thing": 0.0}])
    assert (part.figures[1].ratio, part.figures[1].stands) == (None, None)
    report = Report("2026-01-01T00:00:00+00:00", "tiny", _machine(), [part])
    assert "CPU ms a thing 3 (spread 0%), floor 0, no ratio\n" in as_text(report, bars=False)
    assert "no ratio" in as_text(report, bars=True)


def test_the_spread_is_a_share_of_the_median() -> None:
    assert spread([90.0, 100.0, 120.0]) == pytest.approx(0.3)
    assert spread([5.0]) == 0.0


def test_people_and_programs_are_told_the_same() -> None:
    floor = [{"things/s": 100.0, "CPU ms a thing": 2.0}]
    part = result_of(Pretended(), [{"things/s": 70.0, "CPU ms a thing": 3.0, "memory MiB": 7.0}], floor)
    report = Report("2026-01-01T00:00:00+00:00", "full", _machine(), [part], ["path-50 could not be measured: no reason"])
    speed, cost = as_object(report)["parts"][0]["figures"]
    assert (speed["ratio"], speed["stands"], cost["ratio"], cost["stands"]) == (0.7, False, 1.5, True)
    plain, drawn = as_text(report, bars=False), as_text(report, bars=True)
    assert "things/s 70 (spread 0%), floor 100, ratio 0.70 (at least 0.8 wanted: NO)" in plain
    assert "█" not in plain
    assert "█" in drawn
    assert "ratio 1.50 (at most 1.7 wanted: yes)" in drawn
    assert plain.endswith("path-50 could not be measured: no reason\n")


def test_results_are_kept_beside_those_that_are_committed():
    assert list(RESULTS.glob("reference-*.json"))
