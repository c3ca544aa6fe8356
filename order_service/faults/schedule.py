"""Which faults, and when: a deck of them, shuffled by the seed and dealt out again and again. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Action = Literal["kill", "freeze", "stop"]
"""kill: SIGKILL. freeze: SIGSTOP beyond the session timeout, then SIGCONT. stop: SIGTERM."""
Target = Literal["gateway", "order_aggregate", "projections", "notifier", "kafka", "postgres"]

DECK: tuple[tuple[Action, Target], ...] = (
    *[("kill", "gateway")] * 3,
    *[("kill", "order_aggregate")] * 4,
    *[("kill", "projections")] * 3,
    *[("kill", "notifier")] * 2,
    ("freeze", "order_aggregate"),
    ("freeze", "projections"),
    ("stop", "order_aggregate"),
    ("stop", "projections"),
    ("kill", "kafka"),
    ("kill", "postgres"),
)
"""Dealt whole before it is shuffled again, so that a short run meets every kind too."""

_FROZEN_S = (8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """`at_s` after the load began. `lot` in [0, 1): which of the target's processes. `lasts_s`: of a freeze."""

    at_s: float
    action: Action
    target: Target
    lot: float
    lasts_s: float = 0.0


def schedule(seed: int, *, seconds: float, every_s: float) -> Iterator[Fault]:
    """The faults of a run, about one `every_s` seconds; the last one early enough to be felt under load."""
    draws = random.Random(f"faults {seed}")  # noqa: S311 reproducible on purpose
    at_s, cards = every_s, list[tuple[Action, Target]]()
    while at_s < seconds - 2.0:
        if not cards:
            cards = draws.sample(DECK, len(DECK))
        action, target = cards.pop()
        lasts_s = draws.uniform(*_FROZEN_S) if action == "freeze" else 0.0
        yield Fault(at_s, action, target, draws.random(), lasts_s)
        at_s += every_s * draws.uniform(0.6, 1.4)
