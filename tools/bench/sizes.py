"""How much of everything a run measures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Rounds, and what one round of each part has. `warm_up`: a round of each is thrown away first."""

    name: str
    rounds: int
    warm_up: bool
    requests: int
    commands: int
    project_orders: int
    rebuild_orders: int
    clients: int
    events: int
    rates: tuple[int, ...]
    path_s: float


FULL = Size(
    name="full",
    rounds=3,
    warm_up=True,
    requests=10_000,
    commands=200_000,
    project_orders=60_000,
    rebuild_orders=100_000,
    clients=1_000,
    events=300,
    rates=(50, 200, 500),
    path_s=20.0,
)
QUICK = Size(
    name="quick",
    rounds=3,
    warm_up=False,
    requests=2_000,
    commands=30_000,
    project_orders=5_000,
    rebuild_orders=8_000,
    clients=1_000,
    events=50,
    rates=(50, 200, 500),
    path_s=1.5,
)
TINY = Size(
    name="tiny",
    rounds=1,
    warm_up=False,
    requests=100,
    commands=1_000,
    project_orders=200,
    rebuild_orders=200,
    clients=20,
    events=10,
    rates=(50,),
    path_s=1.0,
)
"""For tests: everything once, nothing that means anything."""
