"""Rounds of a part and of its floor, in turns, and their results. No I/O of its own but for the running of rounds."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Sample = Mapping[str, float]
"""What one round gave, by the metric's name; what is no metric of the part is kept as an extra figure."""

ROUND_S = 240.0
"""A round that takes longer is given up."""
SHARES = (0.5, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quantity. `wanted`: the ratio to the floor that is wanted: at least that when more is better, else at most."""

    name: str
    unit: str
    more_is_better: bool = True
    wanted: float | None = None
    has_floor: bool = True


class Part(Protocol):
    """One part of the bench, for one size. `enter` prepares it, the rounds are independent of each other, `leave` ends what it started."""

    @property
    def name(self) -> str:
        """The part's name on the command line."""
        ...

    @property
    def what(self) -> str:
        """What is measured."""
        ...

    @property
    def floor_is(self) -> str:
        """What it is measured against."""
        ...

    @property
    def metrics(self) -> Sequence[Metric]:
        """What each round gives."""
        ...

    async def enter(self) -> None:
        """Prepare what all rounds share."""
        ...

    async def measured(self) -> Sample:
        """One round of the real thing."""
        ...

    async def floor(self) -> Sample:
        """One round of the floor."""
        ...

    async def leave(self) -> None:
        """End what was started, also after an error half-way through `enter`."""
        ...


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric's rounds. `ratio`: the median of the rounds' own ratios; None without a floor, or with one too small to see."""

    metric: Metric
    measured: Sequence[float]
    floor: Sequence[float]

    @property
    def median(self) -> float:
        """The median of the real thing."""
        return statistics.median(self.measured)

    @property
    def floor_median(self) -> float | None:
        """The median of the floor."""
        return statistics.median(self.floor) if self.floor else None

    @property
    def spread(self) -> float:
        """The distance between the lowest and the highest round, as a share of the median."""
        return spread(self.measured)

    @property
    def ratio(self) -> float | None:
        """The median ratio to the floor."""
        ratios = [one / least for one, least in zip(self.measured, self.floor, strict=True) if least] if self.floor else []
        return statistics.median(ratios) if ratios else None

    @property
    def stands(self) -> bool | None:
        """Whether the ratio is as wanted; None when nothing is wanted."""
        if self.metric.wanted is None or self.ratio is None:
            return None
        return self.ratio >= self.metric.wanted if self.metric.more_is_better else self.ratio <= self.metric.wanted


@dataclass(frozen=True, slots=True)
class PartResult:
    """A part's results. `extras`: the medians of everything else that its rounds gave, of the real thing and of the floor."""

    name: str
    what: str
    floor_is: str
    figures: Sequence[Figure]
    extras: Mapping[str, float]
    floor_extras: Mapping[str, float]


def spread(values: Sequence[float]) -> float:
    """(highest - lowest) / median; 0.0 of one value."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


async def run_part(part: Part, *, rounds: int, warm_up: bool, tell: Callable[[str], None]) -> PartResult:
    """Run a part: a round of each that is thrown away, then `rounds` of each, in turns. Raises TimeoutError when one hangs."""
    measured: list[Sample] = []
    floor: list[Sample] = []
    try:
        await part.enter()
        for number in range(0 if warm_up else 1, rounds + 1):
            # The second of two rounds has the warmer machine, so they change places.
            turns = [(part.measured, measured), (part.floor, floor)]
            for run, kept in turns if number % 2 else reversed(turns):
                async with asyncio.timeout(ROUND_S):
                    sample = await run()
                if number:
                    kept.append(sample)
            tell(f"{part.name}: {f'round {number} of {rounds}' if number else 'warm'}")
    finally:
        await part.leave()
    return result_of(part, measured, floor)


def result_of(part: Part, measured: Sequence[Sample], floor: Sequence[Sample]) -> PartResult:
    """The results of the rounds."""
    figures = [
        Figure(metric, [one[metric.name] for one in measured], [one[metric.name] for one in floor if metric.has_floor])
        for metric in part.metrics
    ]
    named = {metric.name for metric in part.metrics}
    return PartResult(part.name, part.what, part.floor_is, figures, _medians(measured, named), _medians(floor, named))


def _medians(samples: Sequence[Sample], but: set[str]) -> dict[str, float]:
    names = dict.fromkeys(name for sample in samples for name in sample if name not in but)
    return {name: statistics.median(sample[name] for sample in samples if name in sample) for name in names}


class Grown(NamedTuple):
    """Seconds that it took, and CPU seconds of each process meanwhile."""

    seconds: float
    cpu_s: Mapping[str, float]


async def grown(
    count: Callable[[], Awaitable[int]], wanted: int, cpu_s: Callable[[], Mapping[str, float]], *, look_s: float, within_s: float
) -> Grown:
    """Look every `look_s` until there are `wanted`. Raises TimeoutError after `within_s`, and what `count` and `cpu_s` raise."""
    async with asyncio.timeout(within_s):
        began, used = time.perf_counter(), cpu_s()
        # What happens before the first one, such as the start of a process, does not count.
        while not (have := await count()):
            await asyncio.sleep(look_s)
            began, used = time.perf_counter(), cpu_s()
        while have < wanted:
            await asyncio.sleep(look_s)
            have = await count()
    return Grown(time.perf_counter() - began, {name: now - used[name] for name, now in cpu_s().items()})


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie; NaN of none.

    By nearest rank, so that the result was measured: `statistics.quantiles` interpolates, and needs two values at least.
    """
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def latencies(values_ms: Sequence[float]) -> dict[str, float]:
    """p50, p99 and p99.9, named with their unit."""
    return {f"p{100 * share:g} ms": percentile(values_ms, share) for share in SHARES}
