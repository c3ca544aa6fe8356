"""How much of everything a run or a load measures."""

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
"""For tests: everything once, with figures that mean nothing."""


@dataclass(frozen=True, slots=True)
class LoadSize:
    """The sizes of each load; rates are a second."""

    connections: int
    hold_s: float
    events_to_all: int
    warm_up_s: float
    """At the load's own rate, before what is measured: a broker that has just started is compiling itself."""
    match_rate: float
    match_s: float
    stall_clients: int
    stall_rate: float
    stall_s: float
    cut_clients: int
    cut_behind: int
    missed: int


FULL_LOAD = LoadSize(
    connections=10_000,
    hold_s=600.0,
    events_to_all=20,
    warm_up_s=5.0,
    match_rate=2_000.0,
    match_s=30.0,
    stall_clients=1_000,
    stall_rate=25.0,
    stall_s=30.0,
    cut_clients=5_000,
    cut_behind=300,
    missed=100_000,
)
QUICK_LOAD = LoadSize(
    connections=2_000,
    hold_s=5.0,
    events_to_all=5,
    warm_up_s=1.0,
    match_rate=500.0,
    match_s=5.0,
    stall_clients=200,
    stall_rate=50.0,
    stall_s=5.0,
    cut_clients=500,
    cut_behind=300,
    missed=20_000,
)
TINY_LOAD = LoadSize(
    connections=20,
    hold_s=0.2,
    events_to_all=2,
    warm_up_s=0.1,
    match_rate=50.0,
    match_s=0.5,
    stall_clients=20,
    stall_rate=20.0,
    stall_s=0.5,
    cut_clients=10,
    cut_behind=20,
    missed=300,
)
"""For tests: everything once, with figures that mean nothing."""
