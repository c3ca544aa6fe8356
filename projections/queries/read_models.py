"""Reading the live read models: each read sees one snapshot, says how fresh it is, and can wait for a position."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import InvalidSchemaName, UndefinedTable
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from event_schemas.codes import Code
from event_schemas.positions import NoToken, Position
from infra.http.problems import Problem
from infra.postgres.connections import connection_arguments, database_address
from infra.process.settings import Settings
from projections.queries.checkpoint_watch import CheckpointWatch
from projections.queries.read_snapshot import ForeignPosition, LogEnd, ReadSnapshot, Rebuilding, open_snapshot
from projections.queries.request_parts import invalid_parameter
from projections.rebuild.status import rebuild_report

ANSWER_S = 3.0
"""Longest that a read may take before PostgreSQL counts as unavailable."""
WAIT_S = 5.0
"""Longest that a read waits until the read models hold the position it asks for."""

_POSITION, _LAG, _RETRY_AFTER = "Orders-Position", "Orders-Lag", "Retry-After"
_log = logging.getLogger(__name__)
T = TypeVar("T")
Query = Callable[[ReadSnapshot], Awaitable[T]]


@dataclass(frozen=True)
class Read(Generic[T]):
    """What a query found, and the headers that say how fresh it is."""

    found: T
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Look(Generic[T]):
    """One look: what was found (None: the snapshot does not hold the position), and how far the snapshot is."""

    found: tuple[T] | None
    position: str
    next_offsets: Mapping[int, int]
    foreign: str | None


class ReadModels:
    """The read side of one process. Any number of requests read at once; waiting costs one poller for all of them."""

    def __init__(self, settings: Settings, pool: AsyncConnectionPool[AsyncConnection[Any]], log_end: LogEnd) -> None:
        self._address = database_address(settings)
        self._arguments = connection_arguments(settings, "order-probe")
        self._pool = pool
        self._log_end = log_end
        self._watch = CheckpointWatch(self._next_offsets)
        self._looking: set[asyncio.Task[Any]] = set()
        self._queued: set[asyncio.Task[Any] | None] = set()
        self._turns = asyncio.Semaphore(pool.max_size)

    @property
    def pool(self) -> AsyncConnectionPool[AsyncConnection[Any]]:
        """The connections, for code that reads the generations itself."""
        return self._pool

    async def start(self) -> None:
        """Open the pool, whether PostgreSQL is there or not."""
        await self._pool.open(wait=False)

    async def stop(self) -> None:
        """End all waiting and close the pool, in at most a second."""
        await self._watch.stop()
        for looking in list(self._looking):
            looking.cancel()
        await self._pool.close(timeout=1.0)

    async def read(self, query: Query[T], *, position: str | None = None) -> Read[T]:
        """Run a query on one snapshot that holds `position`, a token.

        Raises Problem: `validation_failed` for a token of no use, `read_model_behind` when the read models don't hold it within
        5 s, `read_model_unavailable` when PostgreSQL does not answer, `rebuilding` when there is nothing to read yet.
        """
        wanted = _parsed(position) if position is not None else None
        until = asyncio.get_running_loop().time() + WAIT_S
        while True:
            look = await self._answer(query, wanted)
            if look.found is not None:
                return Read(look.found[0], await self._freshness(look))
            left = until - asyncio.get_running_loop().time()
            if wanted is None or left <= 0:
                raise _behind(await self._freshness(look), look.foreign)
            await self._watch.wait(wanted.next_offsets, left)

    async def _answer(self, query: Query[T], wanted: Position | None) -> _Look[T]:
        """One look, within ANSWER_S. The look runs in a task of its own, because a frozen PostgreSQL can't even be interrupted.

        Once its turn has come, the task is not interrupted: cut off between a connection and its pool, it could take the connection
        with it.
        """
        task = asyncio.create_task(self._attempts(query, wanted))
        self._looking.add(task)
        task.add_done_callback(self._looked)
        try:
            done, _ = await asyncio.wait({task}, timeout=ANSWER_S)
        finally:
            if task in self._queued:
                task.cancel()
        if not done:
            raise self._unavailable()
        return task.result()

    def _looked(self, task: asyncio.Task[Any]) -> None:
        self._looking.discard(task)
        if not task.cancelled():
            task.exception()  # nothing awaits an abandoned read; asyncio would report its error unless it is fetched

    async def _attempts(self, query: Query[T], wanted: Position | None) -> _Look[T]:
        until = asyncio.get_running_loop().time() + ANSWER_S
        while asyncio.get_running_loop().time() < until:
            try:
                return await self._attempt(query, wanted)
            except (UndefinedTable, InvalidSchemaName):
                _log.info("a generation was dropped while it was read; reading the live one")
            except (PoolTimeout, TooManyRequests):
                raise self._unavailable() from None
            except psycopg.OperationalError as error:
                # After a restart of PostgreSQL each connection in the pool fails once; the next try gets another.
                _log.info("a read is tried again: %s", type(error).__name__)
                await asyncio.sleep(0.01)
            except Rebuilding as error:
                raise Problem(Code.REBUILDING, str(error), headers={_RETRY_AFTER: "2"}, progress=await self._progress()) from error
            except ForeignPosition as error:
                raise invalid_parameter("position", str(error)) from error
        raise self._unavailable()

    async def freshness(self, *, position: str | None = None) -> Mapping[str, str]:
        """The headers of an answer that looks nothing up; returns once `position` is held. Raises Problem as `read`."""
        return (await self.read(_nothing, position=position)).headers

    async def foreign(self) -> str | None:
        """Why the rows that are read are not the live ones of this release's folds; None when they are. Raises Problem as `read`."""
        return (await self.read(_foreign)).found

    async def reachable(self) -> bool:
        """Whether PostgreSQL answers on a connection of its own, whatever has become of the pool's."""
        try:
            async with asyncio.timeout(ANSWER_S), await AsyncConnection.connect(**self._arguments) as connection:
                await connection.execute("select 1")
        except (psycopg.Error, TimeoutError):
            return False
        return True

    async def _attempt(self, query: Query[T], wanted: Position | None) -> _Look[T]:
        async with self._turn(), self._pool.connection(timeout=ANSWER_S - 0.5) as connection, connection.transaction():
            snapshot = await open_snapshot(connection)
            behind = wanted is not None and not snapshot.holds(wanted, self._log_end.identity)
            found = None if behind else (await query(snapshot),)
            return _Look(found, snapshot.position.token(), snapshot.next_offsets, snapshot.foreign)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait in front of the pool until one of its connections is free.

        The pool's own queue is guarded by a lock that passes from one task to the next once in a round of the loop, and a task that gives
        a connection back stands in line for it too: behind thousands of readers, for seconds, while all connections are idle.
        """
        task = asyncio.current_task()
        self._queued.add(task)
        try:
            # A read whose turn came later could not end in time: its work would be in vain and delay the reads behind it.
            async with asyncio.timeout(ANSWER_S / 2):
                await self._turns.acquire()
        except TimeoutError:
            raise PoolTimeout("its turn did not come in time") from None
        finally:
            self._queued.discard(task)
        try:
            yield
        finally:
            self._turns.release()

    async def _progress(self) -> dict[str, Any] | None:
        """How far a rebuild is, if one is known."""
        try:
            async with self._turn(), self._pool.connection(timeout=1.0) as connection, connection.transaction():
                return await rebuild_report(connection)
        except (psycopg.Error, PoolTimeout, TooManyRequests):
            return None

    async def _freshness(self, look: _Look[Any]) -> dict[str, str]:
        lag = await self._log_end.lag_seconds(look.next_offsets)
        told = {} if lag is None else {_LAG: f"{lag:.3f}".rstrip("0").rstrip(".")}
        return {_POSITION: look.position, **told}

    async def _next_offsets(self) -> Mapping[int, int]:
        async with self._pool.connection(timeout=ANSWER_S) as connection, connection.transaction():
            return (await open_snapshot(connection)).next_offsets

    def _unavailable(self) -> Problem:
        detail = f"PostgreSQL does not answer at {self._address}: try again, nothing is lost"
        return Problem(Code.READ_MODEL_UNAVAILABLE, detail, headers={_RETRY_AFTER: "2"})


async def _nothing(_: ReadSnapshot) -> None:
    """Ask for nothing: the caller only needs to know that the snapshot can be opened and holds the position."""


async def _foreign(snapshot: ReadSnapshot) -> str | None:
    return snapshot.foreign


def _parsed(token: str) -> Position:
    try:
        return Position.parse(token)
    except NoToken as error:
        raise invalid_parameter("position", str(error)) from error


def _behind(headers: Mapping[str, str], foreign: str | None) -> Problem:
    lag = float(headers[_LAG]) if _LAG in headers else None
    how_far = "" if lag is None else f"; they are {lag:g} s behind"
    detail = f"the read models did not hold this position within {WAIT_S:g} s{how_far}: try again"
    # While other folds than this release's are live, no waiting brings these rows any further.
    detail += f"; {foreign}" if foreign else ""
    return Problem(Code.READ_MODEL_BEHIND, detail, headers={**headers, _RETRY_AFTER: "1"}, lag_seconds=lag)
