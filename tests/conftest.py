"""Fixtures that every test may use. The servers start when the first test asks for one."""

import gc
import secrets
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import settings

from tests.support.embedded import EmbeddedServers, clear_leftovers
from tests.support.examples import PLAIN, register_profiles
from tests.support.order import turn

register_profiles()


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGTERM end a run as Ctrl-C does, with all fixtures torn down; time no property."""
    gc.disable()  # until everything is imported
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile(PLAIN)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell lets its background jobs ignore Ctrl-C, and they pass that on to what they start: the tests send it on purpose.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first; the tests of one file stay in order."""
    items.sort(key=lambda item: turn(item.nodeid))


def pytest_collection_finish() -> None:
    """Take modules and tests, which stay, out of what the collector looks through again and again; and let it look seldom."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def embedded_servers() -> Iterator[EmbeddedServers]:
    """The run's own Kafka and PostgreSQL. Tests that kill servers start their own instead."""
    clear_leftovers()
    servers = EmbeddedServers()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def kafka_servers(embedded_servers: EmbeddedServers) -> str:
    """Bootstrap servers of one broker, shared by the run: name topics and groups uniquely."""
    return embedded_servers.kafka().bootstrap_servers


@pytest.fixture(scope="session")
def database_url(embedded_servers: EmbeddedServers) -> str:
    """URL of a database shared by the run; its role may create others."""
    return embedded_servers.postgres().url


@pytest.fixture
def empty_database_url(database_url: str) -> Iterator[str]:
    """URL of a database of this test's own, dropped after it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
