"""Where a stack listens, and what stands in the way."""

import os
import socket

from infra.process.settings import Settings
from order_service.stack.running import urls
from tools.local_stack.ports import claims, conflicts, port_holder


def test_embedded_servers_need_ports_and_other_peoples_do_not() -> None:
    own = {claim.variable for claim in claims(Settings())}
    assert own == {"ORDERS_HTTP_PORT", "ORDERS_FEED_PORT", "ORDERS_KAFKA_PORT", "ORDERS_POSTGRES_PORT"}
    others = {claim.variable for claim in claims(Settings(KAFKA_BOOTSTRAP_SERVERS="k:9092", DATABASE_URL="postgresql://h/d"))}
    assert others == {"ORDERS_HTTP_PORT", "ORDERS_FEED_PORT"}


def test_a_port_in_use_names_the_setting_and_the_user() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (problem,) = conflicts([claim for claim in claims(Settings(ORDERS_FEED_PORT=port)) if claim.port == port])
        assert str(os.getpid()) in (port_holder(port) or "")
    assert f"port {port}, wanted for the feed" in problem
    assert "ORDERS_FEED_PORT" in problem
    assert f"(process {os.getpid()})" in problem


def test_one_port_for_two_purposes() -> None:
    wanted = [claim for claim in claims(Settings(ORDERS_HTTP_PORT=20001, ORDERS_FEED_PORT=20001)) if claim.port == 20001]
    assert conflicts(wanted)[-1] == "port 20001 is set for the HTTP API and for the feed: change ORDERS_HTTP_PORT or ORDERS_FEED_PORT"


def test_urls_are_of_an_address_that_can_be_reached() -> None:
    assert urls(Settings(ORDERS_BIND="0.0.0.0"), None, None).http == "http://127.0.0.1:8000"
    assert urls(Settings(ORDERS_BIND="::1"), None, None).feed == "ws://[::1]:8001/feed"
