"""Which generation may take over, how long the live one is waited for, and which may go."""

import time
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection, sql

from infra.postgres.connections import connection_arguments
from infra.process.settings import Settings
from projections.store.advisory_locks import maintenance
from projections.store.generations import REBUILD, Generation, all_generations, live_generation, lock_list
from projections.tables.registry import FOLD_VERSION

_LOCK = "set local lock_timeout = '5s'"
LIVE_S = 20.0
"""Longest wait, in seconds."""
STILL_S = 5.0
"""Seconds without a move after which a live generation of other folds counts as left alone by its release's workers."""


class OperationRefused(Exception):
    """Nothing was changed; the text says why and what to do."""


async def choose_target(connection: AsyncConnection[Any], schema: str | None, *, back: bool) -> Generation:
    """The generation that shall be live; None: the newest that is ready or, `back`, the one that was live before.

    Raises OperationRefused when there is none, or when it can't be.
    """
    async with connection.transaction():
        await lock_list(connection)
        known = {generation.schema: generation for generation in await all_generations(connection)}
        if schema is None:
            schema = await _last_live(connection) if back else _newest_ready(list(known.values()))
    if schema is None or schema not in known:
        hint = "there is none to go back to" if back else f"run `{REBUILD}` first"
        raise OperationRefused(f"there is no generation {schema}" if schema else f"no generation is ready: {hint}")
    target = known[schema]
    if target.state == "live":
        raise OperationRefused(f"{schema} is the live generation already")
    if target.state == "building":
        raise OperationRefused(f"{schema} is not complete: `{REBUILD}` goes on with it")
    if target.fold_version != FOLD_VERSION:
        raise OperationRefused(
            f"{schema} is of fold version {target.fold_version}, this release folds version {FOLD_VERSION} and can't let it follow "
            "the log: use the release that made it"
        )
    return target


def _newest_ready(known: Sequence[Generation]) -> str | None:
    """The newest that this release may promote, else the newest of another release, which the caller refuses by name."""
    ready = [generation for generation in reversed(known) if generation.state == "ready"]
    own = [generation for generation in ready if generation.fold_version == FOLD_VERSION]
    return next((generation.schema for generation in own + ready), None)


async def _last_live(connection: AsyncConnection[Any]) -> str | None:
    """The generation that was live before the present one, if it still exists; else the one before that."""
    statement = (
        "select from_schema from projections.promotions join projections.generations on from_schema = schema "
        "where schema not in (select schema from projections.live) order by number desc limit 1"
    )
    row = await (await connection.execute(statement)).fetchone()
    return str(row[0]) if row else None


async def drop_generation(settings: Settings, schema: str) -> None:
    """Remove a generation with all its rows. Raises OperationRefused for the live one and unknown ones, Busy."""
    arguments = connection_arguments(settings, "orders-promotion")
    async with await AsyncConnection.connect(**arguments, autocommit=True) as connection, maintenance(connection), connection.transaction():
        await lock_list(connection)
        await connection.execute(_LOCK)
        known = {generation.schema: generation for generation in await all_generations(connection)}
        if schema not in known:
            raise OperationRefused(f"there is no generation {schema}: `./orders projections status` shows which there are")
        live = await live_generation(connection, for_share=True)
        if live and live.schema == schema:
            raise OperationRefused(f"{schema} is the live generation: promote another one first")
        await connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
        await connection.execute("delete from projections.generations where schema = %s", (schema,))


class LeftAlone(Exception):
    """The live generation is of other folds, behind the new one, and does not come up; the text says so."""


class LiveWait:
    """One wait for `live` to come as far as `target`."""

    def __init__(self, live: Generation, target: Generation) -> None:
        self._live, self._target = live, target
        self._began = self._moved = time.monotonic()
        self._ahead: int | None = None

    def look(self, ahead: int) -> None:
        """Note that the new generation is `ahead` records ahead.

        Raises LeftAlone, or OperationRefused with what to do, when there is no point in waiting any longer.
        """
        now = time.monotonic()
        if ahead != self._ahead:
            self._ahead, self._moved = ahead, now
        live, waited_s, still_s = self._live, now - self._began, now - self._moved
        # Only workers of the release that made it can move it on, and that release may be gone for good.
        if live.fold_version != self._target.fold_version and max(waited_s - LIVE_S, still_s - STILL_S) > 0:
            raise LeftAlone(
                f"{live.schema}, the live generation, is of fold version {live.fold_version} and {ahead} records behind "
                f"{self._target.schema}, and does not come up: workers of its release would have to move it on"
            )
        if waited_s > LIVE_S:
            raise OperationRefused(
                f"{live.schema}, the live generation, is {ahead} records behind {self._target.schema} and does not come up: "
                "are the projections running? `./orders status`"
            )
