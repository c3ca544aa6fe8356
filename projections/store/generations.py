"""Generations: one PostgreSQL schema each, holding all tables and checkpoints that one version of the folds filled.

The schema `projections` knows them and points at the live one. Workers write only a generation of their own fold version, the
query API reads the live one, and moving the pointer is one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import AsyncConnection, sql
from psycopg.errors import UndefinedTable
from psycopg.rows import class_row

from infra.postgres.table_sql import table_sql
from projections.store import parked
from projections.store.checkpoints import CREATE_ROWS, CREATE_TABLE
from projections.tables.registry import TABLES

_CREATION = 7_263_401_955
"""PostgreSQL advisory lock: held while the list of generations is changed."""

State = Literal["building", "ready", "live", "retired"]
"""building: a rebuild fills it; ready: complete, never live yet; retired: was live, and can be again."""

_META = """
create schema if not exists projections;
create table if not exists projections.generations (
    schema text primary key,
    fold_version integer not null,
    partitions integer not null,
    state text not null,
    created_at timestamptz not null default now()
);
create table if not exists projections.live (
    only_one boolean primary key default true check (only_one),
    schema text not null references projections.generations
);
create table if not exists projections.promotions (
    number bigint generated always as identity primary key,
    from_schema text,
    to_schema text not null,
    promoted_at timestamptz not null default now()
);
create table if not exists projections.rebuilds (
    schema text primary key references projections.generations on delete cascade,
    phase text not null,
    targets bigint[] not null,
    rate double precision not null default 0,
    eta_s double precision,
    problem text,
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
"""

_GENERATIONS = "select schema, fold_version, partitions, state from projections.generations"
_LIVE = "select schema, fold_version, partitions, state from projections.live join projections.generations using (schema)"
# Lock first, join then: PostgreSQL would check a joined row again if it changed during the wait, and find that it no longer fits.
_LIVE_FOR_SHARE = (
    "with live as materialized (select schema from projections.live for share) "
    "select schema, fold_version, partitions, state from live join projections.generations using (schema)"
)

_NEXT_NUMBER = r"""
select coalesce(max(substring(nspname from '\d+$')::integer), 0) + 1 from pg_namespace where nspname ~ '^projections_\d{1,9}$'
"""
REBUILD = "./orders projections rebuild"
_ACCEPT = "--accept-differences"


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation as the list has it. `partitions`: those of the log that it was folded from."""

    schema: str
    fold_version: int
    partitions: int
    state: State


async def live_generation(connection: AsyncConnection[Any], *, for_share: bool = False) -> Generation | None:
    """The generation that readers read, None when there is none. `for_share`: it stays the live one until this transaction ends."""
    try:
        async with connection.cursor(row_factory=class_row(Generation)) as cursor:
            return await (await cursor.execute(_LIVE_FOR_SHARE if for_share else _LIVE)).fetchone()
    except UndefinedTable:
        return None


async def all_generations(connection: AsyncConnection[Any]) -> list[Generation]:
    """Every generation there is, oldest first; none when the list has not been made."""
    exists = await (await connection.execute("select to_regclass('projections.generations') is not null")).fetchone()
    if exists != (True,):
        return []
    async with connection.cursor(row_factory=class_row(Generation)) as cursor:
        return await (await cursor.execute(_GENERATIONS + " order by created_at, schema")).fetchall()


async def lock_list(connection: AsyncConnection[Any]) -> None:
    """Make the list of generations if there is none, and keep others from changing it until the transaction ends."""
    # Before anything is created: `create … if not exists` of two transactions at once can fail in one of them.
    await connection.execute("select pg_advisory_xact_lock(%s)", (_CREATION,))
    await connection.execute(_META)


async def ensure_live_generation(connection: AsyncConnection[Any], *, fold_version: int, partitions: int) -> Generation:
    """The live generation; the first one is made when there is none. Any number of workers may ask at once."""
    await lock_list(connection)
    live = await live_generation(connection)
    if live is None:
        live = await create_generation(connection, fold_version=fold_version, partitions=partitions, state="live")
        await connection.execute("insert into projections.live (schema) values (%s)", (live.schema,))
    # A generation that an earlier release made has no table for parked records yet.
    await connection.execute(parked.CREATE_TABLE.format(sql.Identifier(live.schema)))
    return live


async def create_generation(connection: AsyncConnection[Any], *, fold_version: int, partitions: int, state: State) -> Generation:
    """An empty generation: every table, and a checkpoint at 0 for every partition. The caller holds the list's lock.

    A generation that is to be filled fast (`building`) gets its indexes when it is full.
    """
    counting = await connection.execute(_NEXT_NUMBER)
    (number,) = await counting.fetchone() or (1,)
    generation = Generation(f"projections_{number}", fold_version, partitions, state)
    schema = sql.Identifier(generation.schema)
    await connection.execute(sql.SQL("create schema {}").format(schema))
    for definition in TABLES:
        statements = table_sql(definition, generation.schema)
        if state != "building":
            made = [statements.create, *statements.index]
        else:
            # A row that is folded more than once is looked up by its key; all others are only added.
            made = [statements.create_bare if definition.one_record_a_row else statements.create]
        for statement in made:
            await connection.execute(statement)
    await connection.execute(CREATE_TABLE.format(schema))
    await connection.execute(CREATE_ROWS.format(schema), (partitions - 1,))
    await connection.execute(parked.CREATE_TABLE.format(schema))
    await connection.execute(
        "insert into projections.generations (schema, fold_version, partitions, state) values (%s, %s, %s, %s)",
        (generation.schema, fold_version, partitions, state),
    )
    return generation


async def set_state(connection: AsyncConnection[Any], schema: str, state: State) -> None:
    await connection.execute("update projections.generations set state = %s where schema = %s", (state, schema))


def foreign_folds(live: Generation, known: Sequence[Generation], *, fold_version: int) -> str:
    """Say that the live read models are of another fold version than this release's, and which step is missing.

    `known`: every generation there is, oldest first.
    """
    what = f"the live read models ({live.schema}) are of fold version {live.fold_version}, this release folds version {fold_version}"
    step = _step(live, known, fold_version)
    if live.fold_version > fold_version:
        return f"{what}: deploy the release that folds version {live.fold_version}; to go back to this release's rows, {step}"
    return f"{what}: {step}"


def _step(live: Generation, known: Sequence[Generation], fold_version: int) -> str:
    own = [one for one in reversed(known) if (one.fold_version, one.partitions) == (fold_version, live.partitions)]
    for state in ("ready", "retired"):
        for generation in own:
            if generation.state == state:
                return f"`./orders projections promote {generation.schema} {_ACCEPT}` switches to {generation.schema}, which is {state}"
    if any(generation.state == "building" for generation in own):
        return f"`{REBUILD} --promote {_ACCEPT}` goes on with the rebuild that was begun, and switches to it"
    return f"`{REBUILD} --promote {_ACCEPT}` makes them anew, and switches to them"
