"""Ports on loopback: which are free, which the stack listens on, and which other processes hold them."""

import random
import socket
from typing import NamedTuple

import psutil

from infra.process.settings import Settings

_OWN = range(20_000, 32_000)
"""Below the range from which the kernel takes ports for outgoing connections, which would borrow a port that a server left for a moment."""


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: connections in TIME_WAIT don't count
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def free_port(taken: frozenset[int] | set[int] = frozenset()) -> int:
    """A port that is free now and not among `taken`. Nothing reserves it: use it soon."""
    for port in random.sample(_OWN, len(_OWN)):
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {_OWN.start} and {_OWN.stop}")


def accepts(port: int, address: str = "127.0.0.1", timeout_s: float = 1.0) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((address, port), timeout_s).close()
    except OSError:
        return False
    return True


class Claim(NamedTuple):
    """A port that the stack listens on."""

    purpose: str
    port: int
    variable: str
    address: str


def claims(settings: Settings) -> list[Claim]:
    """The ports with a number in the settings; all others are chosen among free ones."""
    wanted = [
        Claim("the HTTP API", settings.http_port, "ORDERS_HTTP_PORT", settings.bind),
        Claim("the feed", settings.feed_port, "ORDERS_FEED_PORT", settings.bind),
    ]
    if not settings.kafka_bootstrap_servers:
        wanted.append(Claim("Kafka", settings.kafka_port, "ORDERS_KAFKA_PORT", "127.0.0.1"))
    if not settings.database_url:
        wanted.append(Claim("PostgreSQL", settings.postgres_port, "ORDERS_POSTGRES_PORT", "127.0.0.1"))
    return wanted


def conflicts(wanted: list[Claim]) -> list[str]:
    """For each port that another process has, or that is claimed twice: the port, its holder, and the setting by which to take another."""
    found = []
    for place, claim in enumerate(wanted):
        twice = next((other for other in wanted[:place] if other.port == claim.port), None)
        if twice:
            found.append(
                f"port {claim.port} is set for {twice.purpose} and for {claim.purpose}: change {twice.variable} or {claim.variable}"
            )
        elif not is_free(claim.port, claim.address):
            holder = port_holder(claim.port)
            by = f" by {holder}" if holder else ""
            found.append(
                f"port {claim.port}, wanted for {claim.purpose}, is in use{by}: stop that, or choose another port with {claim.variable}"
            )
    return found


def port_holder(port: int) -> str | None:
    """Name and number of the process that listens there, None when that can't be known."""
    try:
        listening = [
            c for c in psutil.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port and c.pid
        ]
        return f"{psutil.Process(listening[0].pid).name()} (process {listening[0].pid})" if listening else None
    except psutil.Error:
        return None
