"""Which faults, and when: a deck of them, shuffled by the seed and dealt out again and again. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal["kill", "freeze", "stop", "scale"]
"""kill: SIGKILL. freeze: SIGSTOP beyond the session timeout, then SIGCONT. stop: SIGTERM. scale: to one worker less or more, then back."""
Target = Literal["gateway", "order_aggregate", "projections", "notifier", "kafka", "postgres", "workers"]
"""workers: those of the aggregate and of the projections together, as `./orders up --workers N` counts them."""

Card = tuple[Action, Target]

_COPIES: dict[Card, int] = {
    ("kill", "gateway"): 3,
    ("kill", "order_aggregate"): 4,
    ("kill", "projections"): 3,
    ("kill", "notifier"): 2,
    ("freeze", "order_aggregate"): 1,
    ("freeze", "projections"): 1,
    ("stop", "order_aggregate"): 1,
    ("stop", "projections"): 1,
    ("scale", "workers"): 1,
    ("kill", "kafka"): 1,
    ("kill", "postgres"): 1,
}
DECK = [card for card, copies in _COPIES.items() for _ in range(copies)]
"""Dealt whole before it is shuffled again, so that a short run meets every kind too."""

_LASTS_S: dict[Action, tuple[float, float]] = {"freeze": (8.0, 10.0), "scale": (4.0, 6.0)}


@dataclass(frozen=True, slots=True)
class Fault:
    """`at_s` after the load began. `lot` in [0, 1): which of the target's processes; of a scaling, below a half one
    worker less, else one more. `lasts_s`: of a freeze or a scaling, until it is taken back.
    """

    at_s: float
    action: Action
    target: Target
    lot: float
    lasts_s: float = 0.0


def cards(only: Sequence[str]) -> list[Card]:
    """The cards of the deck that one of these names: an action, a target, or ACTION:TARGET; all for none. Raises ValueError."""
    for name in only:
        if not any(_is_named(card, name) for card in DECK):
            raise ValueError(f"there is no fault {name!r}: name an action, a target, or both as in freeze:order_aggregate")
    return [card for card in DECK if not only or any(_is_named(card, name) for name in only)]


def _is_named(card: Card, name: str) -> bool:
    return name in {*card, ":".join(card)}


def schedule(seed: int, *, seconds: float, every_s: float, deck: Sequence[Card] = DECK) -> Iterator[Fault]:
    """The faults of a run, about one `every_s` seconds; the last one early enough to be felt under load."""
    draws = random.Random(f"faults {seed}")  # noqa: S311 reproducible on purpose
    at_s, hand = every_s, list[Card]()
    while at_s < seconds - 2.0:
        if not hand:
            hand = draws.sample(deck, len(deck))
        action, target = hand.pop()
        lasts_s = draws.uniform(*_LASTS_S[action]) if action in _LASTS_S else 0.0
        yield Fault(at_s, action, target, draws.random(), lasts_s)
        at_s += every_s * draws.uniform(0.6, 1.4)
