"""`./orders serve SERVICE`."""

import os
import sys
from typing import Annotated

import typer

from infra.process.settings import Settings
from order_service.stack.addresses import claims, conflicts
from order_service.stack.folder import StackFolder
from order_service.stack.leftovers import add_guest
from order_service.stack.ports import free_port
from order_service.stack.record import read_record
from order_service.stack.running import stack_settings
from tools.local_stack.service_processes import MODULES, command

_OWN_ADDRESS = ("ORDERS_BIND", "ORDERS_HTTP_PORT", "ORDERS_FEED_PORT", "ORDERS_HEALTH_PORT")
_OWN_PORT = {"gateway": "ORDERS_HTTP_PORT", "notifier": "ORDERS_FEED_PORT"}


def serve(service: Annotated[str, typer.Argument(help="gateway, order_aggregate, projections or notifier")]) -> None:
    """Run one more instance of a service in the foreground, as part of the running stack.

    A second gateway needs ORDERS_HTTP_PORT, a second notifier ORDERS_FEED_PORT. `status` counts it, `down` ends it too.
    """
    if service not in MODULES:
        sys.stderr.write(f"there is no service {service}: choose {', '.join(MODULES)}\n")
        raise typer.Exit(2)
    folder = StackFolder(Settings().home)
    record = read_record(folder) if folder.is_held() else None
    if record is None:
        sys.stderr.write(f"no stack runs in {folder.home}: start it with `./orders up`\n")
        raise typer.Exit(1)
    if problems := conflicts([claim for claim in claims(stack_settings()) if claim.variable == _OWN_PORT.get(service)]):
        sys.stderr.write("\n".join(problems) + "\n")
        raise typer.Exit(1)
    own = {name: os.environ[name] for name in _OWN_ADDRESS if name in os.environ}
    environment = {**os.environ, "ORDERS_HEALTH_PORT": str(free_port()), **record.environment, **own}
    add_guest(folder, service)
    arguments = command(service)
    os.execve(arguments[0], arguments, environment)  # noqa: S606 this very process becomes the service: Ctrl-C and `down` reach it
