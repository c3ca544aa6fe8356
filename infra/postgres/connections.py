"""Connections to PostgreSQL, made in one place so that every process connects, waits and keeps the password to itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg_pool import AsyncConnectionPool

from infra.errors import DatabaseAway
from infra.process.health import Health
from infra.process.settings import Settings

RETRY_S = 0.5
"""Pause between two attempts to reach PostgreSQL."""
RECONNECT_S = 0.05
CONNECT_S = 3
STATEMENT_MS = 4000
"""Longest that PostgreSQL may work on one query of a reader."""

_TOPIC = "postgresql"
_log = logging.getLogger(__name__)
T = TypeVar("T")


def connection_arguments(settings: Settings, application: str) -> dict[str, Any]:
    """What psycopg needs to connect. `application` is shown in PostgreSQL's own views. Raises DatabaseAway."""
    if settings.database_url is None:
        raise DatabaseAway("DATABASE_URL is not set: start everything with `./orders up`, or name your PostgreSQL")
    try:
        given = conninfo_to_dict(settings.database_url.get_secret_value())
    except psycopg.ProgrammingError:
        # psycopg's own text quotes the URL, password included.
        raise DatabaseAway("DATABASE_URL is no PostgreSQL URL: it must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None
    ours = {
        "application_name": application,
        "connect_timeout": CONNECT_S,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }
    return ours | given | {"options": f"{given.get('options') or ''} -c timezone=UTC".strip()}


def database_address(settings: Settings) -> str:
    """HOST:PORT, for people. Raises DatabaseAway."""
    arguments = connection_arguments(settings, "")
    return f"{arguments.get('host') or arguments.get('hostaddr') or 'localhost'}:{arguments.get('port') or 5432}"


def new_snapshot_pool(settings: Settings, application: str, *, max_size: int) -> AsyncConnectionPool[AsyncConnection[Any]]:
    """A pool for reading, not open yet: every transaction on it is read-only and sees one snapshot of the database.

    It gives up a failed connection at once, so that the next request finds PostgreSQL when it is back. Raises DatabaseAway.
    """
    # The pool would otherwise pause up to minutes between attempts, and log each.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    return AsyncConnectionPool(
        kwargs={**connection_arguments(settings, application), "autocommit": True},
        min_size=1,
        max_size=max_size,
        open=False,
        configure=_read_snapshots,
        name=application,
        reconnect_timeout=0.5,
    )


async def _read_snapshots(connection: AsyncConnection[Any]) -> None:
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    await connection.execute(f"set statement_timeout = {STATEMENT_MS}")


def reason_of(error: psycopg.Error, address: str) -> str:
    """One line that says why PostgreSQL can't be used and what to do; it holds no data and no password."""
    told = _refusal(str(error)) if error.sqlstate is None else error.diag.message_primary
    going_down_or_up = (error.sqlstate or "").startswith(("08", "57P")) or (told or "").startswith("the database system is")
    if told and not going_down_or_up:
        return f"PostgreSQL at {address} says: {told}; put that right or correct DATABASE_URL"
    return f"PostgreSQL does not answer at {address}: start it or set DATABASE_URL"


def _refusal(text: str) -> str | None:
    """What the server itself answered to a connection, None when nothing answered."""
    _, found, told = text.partition("FATAL:")
    return told.strip().splitlines()[0] if found and told.strip() else None


class DatabaseSession:
    """A worker's one connection, opened anew whenever it was lost."""

    def __init__(self, settings: Settings, health: Health, application: str) -> None:
        self._arguments = connection_arguments(settings, application)
        self._address = database_address(settings)
        self._health = health
        self._connection: AsyncConnection[Any] | None = None

    async def in_transaction(self, work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
        """Run `work` in one transaction and commit it.

        While PostgreSQL is away, `health` says so and the work is run again from its start as soon as it is back. The commit's
        answer may be lost, so work must be repeatable. Other errors of the database, and the work's own, are raised.
        """
        while True:
            try:
                connection = await self._connected()
                async with connection.transaction():
                    result = await work(connection)
                self._health.settled(_TOPIC)
                return result
            except (DeadlockDetected, SerializationFailure) as error:
                _log.info("transaction repeated: %s", error.diag.message_primary)
            except psycopg.OperationalError as error:
                lost = self._connection is not None and self._connection.closed
                await self.close()
                if lost:
                    # Not yet worth a word: the next attempt tells whether PostgreSQL is away or only restarted.
                    _log.info("the connection to PostgreSQL was lost; opening another")
                    await asyncio.sleep(RECONNECT_S)
                    continue
                self._health.wait_for(_TOPIC, reason_of(error, self._address))
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.broken or self._connection.closed:
            self._connection = await AsyncConnection.connect(**self._arguments, autocommit=True)
        return self._connection


async def wait_for_database(session: DatabaseSession) -> None:
    """Return when PostgreSQL answers; until then the session's health says what is missing."""

    async def ask(connection: AsyncConnection[Any]) -> None:
        await connection.execute("select 1")

    await session.in_transaction(ask)
