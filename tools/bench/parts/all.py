"""The parts of the bench, by name."""

from collections.abc import Callable, Sequence

from tools.bench.measuring import Part
from tools.bench.parts.accept import Accept
from tools.bench.parts.decide import Decide
from tools.bench.parts.feed import Feed
from tools.bench.parts.path import Path
from tools.bench.parts.project import Project
from tools.bench.parts.rebuild import RebuildPart
from tools.bench.servers import Servers
from tools.bench.sizes import Size

PARTS: dict[str, Callable[[Servers, Size], Sequence[Part]]] = {
    "accept": lambda servers, size: [Accept(servers, requests=size.requests)],
    "decide": lambda servers, size: [Decide(servers, commands=size.commands)],
    "project": lambda servers, size: [Project(servers, orders=size.project_orders)],
    "rebuild": lambda servers, size: [RebuildPart(servers, orders=size.rebuild_orders)],
    "feed": lambda servers, size: [Feed(servers, clients=size.clients, events=size.events)],
    "path": lambda servers, size: [Path(servers, rate=rate, seconds=size.path_s) for rate in size.rates],
}
"""What each name measures."""
