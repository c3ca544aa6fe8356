"""Which generation may take over, and which may go."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection, sql

from infra.postgres.connections import connection_arguments
from infra.process.settings import Settings
from projections.store.advisory_locks import maintenance
from projections.store.generations import Generation, all_generations, live_generation, lock_list
from projections.store.missing_step import REBUILD
from projections.tables.registry import FOLD_VERSION

_LOCK = "set local lock_timeout = '5s'"


class Refused(Exception):
    """Nothing was changed; the text says why and what to do."""


async def choose_target(connection: AsyncConnection[Any], schema: str | None, *, back: bool) -> Generation:
    """The generation that shall be live; None: the newest that is ready or, `back`, the one that was live before.

    Raises Refused when there is none, or when it can't be.
    """
    async with connection.transaction():
        await lock_list(connection)
        known = {generation.schema: generation for generation in await all_generations(connection)}
        if schema is None:
            schema = await _last_live(connection) if back else _newest_ready(list(known.values()))
    if schema is None or schema not in known:
        hint = "there is none to go back to" if back else f"run `{REBUILD}` first"
        raise Refused(f"there is no generation {schema}" if schema else f"no generation is ready: {hint}")
    target = known[schema]
    if target.state == "live":
        raise Refused(f"{schema} is the live generation already")
    if target.state == "building":
        raise Refused(f"{schema} is not complete: `{REBUILD}` goes on with it")
    if target.fold_version != FOLD_VERSION:
        raise Refused(
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
    """The generation that was live last before the one that is, of those that are still there."""
    statement = (
        "select from_schema from projections.promotions join projections.generations on from_schema = schema "
        "where schema not in (select schema from projections.live) order by number desc limit 1"
    )
    row = await (await connection.execute(statement)).fetchone()
    return str(row[0]) if row else None


async def drop_generation(settings: Settings, schema: str) -> None:
    """Remove a generation with all its rows. Raises Refused for the live one and unknown ones, claims.Busy."""
    arguments = connection_arguments(settings, "orders-promotion")
    async with await AsyncConnection.connect(**arguments, autocommit=True) as connection, maintenance(connection), connection.transaction():
        await lock_list(connection)
        await connection.execute(_LOCK)
        known = {generation.schema: generation for generation in await all_generations(connection)}
        if schema not in known:
            raise Refused(f"there is no generation {schema}: `./orders projections status` shows which there are")
        live = await live_generation(connection, for_share=True)
        if live and live.schema == schema:
            raise Refused(f"{schema} is the live generation: promote another one first")
        await connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
        await connection.execute("delete from projections.generations where schema = %s", (schema,))
