"""The parts of the bench, by name."""

from collections.abc import Callable, Sequence

from order_service.bench.accept import Accept
from order_service.bench.decide import Decide
from order_service.bench.feed import Feed
from order_service.bench.measuring import Part
from order_service.bench.path import Path
from order_service.bench.project import Project
from order_service.bench.rebuild import RebuildPart
from order_service.bench.servers import Servers
from order_service.bench.sizes import Size

PARTS: dict[str, Callable[[Servers, Size], Sequence[Part]]] = {
    "accept": lambda servers, size: [Accept(servers, requests=size.requests)],
    "decide": lambda servers, size: [Decide(servers, commands=size.commands)],
    "project": lambda servers, size: [Project(servers, orders=size.project_orders)],
    "rebuild": lambda servers, size: [RebuildPart(servers, orders=size.rebuild_orders)],
    "feed": lambda servers, size: [Feed(servers, clients=size.clients, events=size.events)],
    "path": lambda servers, size: [Path(servers, rate=rate, seconds=size.path_s) for rate in size.rates],
}
"""What each name measures."""
