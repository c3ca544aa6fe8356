"""Where a stack listens, and whether it can."""

from typing import NamedTuple

import psutil

from infra.process.settings import Settings
from order_service.stack.ports import is_free
from order_service.stack.record import Urls


class Claim(NamedTuple):
    """A port that the stack listens on."""

    purpose: str
    port: int
    variable: str
    address: str


def reachable_address(bind: str) -> str:
    """Where a process that listens on `bind` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)  # noqa: S104 compared, not bound


def urls(settings: Settings, kafka_servers: str | None, database_url: str | None) -> Urls:
    """Where a stack with these settings is reached."""
    address = reachable_address(settings.bind)
    host = f"[{address}]" if ":" in address else address
    return Urls(
        http=f"http://{host}:{settings.http_port}",
        feed=f"ws://{host}:{settings.feed_port}/feed",
        kafka=kafka_servers,
        postgres=database_url,
    )


def claims(settings: Settings) -> list[Claim]:
    """The ports that have a number of their own; all others are free ones."""
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
    """For each port that another process has, or that is claimed twice: which, who has it, and by which setting to take another."""
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
