"""What to do with parked records: fold them again, or give the first of them up; then what waits behind follows, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from infra.postgres.table_definition import TableDefinition
from infra.postgres.table_fold import fold, keyed
from infra.postgres.table_sql import load_rows, save_rows
from projections.rebuild.choice import OperationRefused
from projections.store.checkpoints import lock_checkpoints
from projections.store.generations import Generation, all_generations, foreign_folds, live_generation
from projections.store.parked import Parked, find_parked, set_state, unpark
from projections.tables.registry import FOLD_VERSION, TABLES


@dataclass(frozen=True)
class Unparked:
    """What became of one order in one table: records folded and given up, and why the rest still waits (None: nothing does)."""

    table: str
    folded: int
    discarded: int
    left: int
    reason: str | None


async def retry(connection: AsyncConnection[Any], order_id: UUID, *, table: str | None = None, schema: str | None = None) -> list[Unparked]:
    """Fold the order's parked records again, as far as the folds take them. Raises OperationRefused when none is parked."""
    return await _settle(connection, order_id, table=table, schema=schema, discard=False)


async def discard(
    connection: AsyncConnection[Any], order_id: UUID, *, table: str | None = None, schema: str | None = None
) -> list[Unparked]:
    """Give up the first record of this order that the fold can't take, then fold what waits behind it. Raises OperationRefused as `retry`.

    It stays listed as discarded, so that `verify` and a rebuild know. A second one behind it parks the order again.
    """
    return await _settle(connection, order_id, table=table, schema=schema, discard=True)


async def _settle(
    connection: AsyncConnection[Any], order_id: UUID, *, table: str | None, schema: str | None, discard: bool
) -> list[Unparked]:
    async with connection.transaction():
        generation = await _generation(connection, schema)
        found = await find_parked(connection, generation.schema, order_id=order_id)
        # The same lock as the workers', so that nothing joins the queue while it is worked off.
        await lock_checkpoints(connection, generation.schema, {one.partition for one in found})
        found = await find_parked(connection, generation.schema, order_id=order_id)
        done = []
        for definition in TABLES:
            queue = [one for one in found if one.table_name == definition.name and table in (None, definition.name)]
            if queue:
                done.append(await _work_off(connection, generation.schema, definition, queue, discard=discard))
    if not done:
        where = f" in {table}" if table else ""
        raise OperationRefused(f"no record of order {order_id} is parked{where}: `./orders projections parked` shows those that are")
    return done


async def _generation(connection: AsyncConnection[Any], schema: str | None) -> Generation:
    live = await live_generation(connection, for_share=True)
    known = {generation.schema: generation for generation in await all_generations(connection)}
    chosen = live if schema is None else known.get(schema)
    if chosen is None:
        raise OperationRefused(f"there is no generation {schema or 'that is live'}: `./orders projections status` shows which there are")
    if chosen.fold_version != FOLD_VERSION and chosen == live:
        raise OperationRefused(foreign_folds(chosen, list(known.values()), fold_version=FOLD_VERSION))
    if chosen.fold_version != FOLD_VERSION:
        raise OperationRefused(f"{chosen.schema} is of fold version {chosen.fold_version}, this release folds version {FOLD_VERSION}")
    return chosen


async def _work_off(
    connection: AsyncConnection[Any], schema: str, definition: TableDefinition[Any], queue: Sequence[Parked], *, discard: bool
) -> Unparked:
    given_up: list[Parked] = []
    waiting = list(queue)
    if discard and waiting[0].state == "poison":
        given_up.append(waiting.pop(0))
        await set_state(connection, schema, given_up[0], "discarded", given_up[0].reason)
    touching = keyed(definition, [one.counted() for one in waiting])
    rows = dict(await load_rows(connection, definition, schema, list(dict.fromkeys(key for key, _, _ in touching if key is not None))))
    changed: dict[Any, Any] = {}

    def put(key: Any, row: Any) -> None:
        rows[key] = changed[key] = row

    refused = {one.counted.offset: one.reason for one in fold(definition, touching, get=rows.get, put=put)}
    await save_rows(connection, definition, schema, list(changed.values()))
    await unpark(connection, schema, [one for one in waiting if one.record_offset not in refused])
    left = [one for one in waiting if one.record_offset in refused]
    for one in left:
        reason = refused[one.record_offset]
        await set_state(connection, schema, one, "waiting" if reason is None else "poison", reason)
    return Unparked(definition.name, len(waiting) - len(left), len(given_up), len(left), refused[left[0].record_offset] if left else None)
