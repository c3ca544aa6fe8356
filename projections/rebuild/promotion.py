"""Moving the pointer to another generation: caught up, compared at equal offsets, and switched in one transaction.

The comparison takes seconds to minutes, and reads and writes go on meanwhile. Writers wait for a moment while both generations
are brought to equal offsets; a snapshot of that moment is compared. Rows that change after it are compared by their keys
while writers wait for the switch itself. So every row is compared as it is when readers turn to it.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection, IsolationLevel
from psycopg.errors import LockNotAvailable

from event_schemas.recorded import RecordedMessage
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_piece_reader, new_reader
from infra.postgres.connections import connection_arguments
from infra.postgres.table_definition import Key
from infra.process.settings import Settings
from projections.live.log_witness import KafkaWitness
from projections.rebuild.choice import LeftAlone, LiveWait, OperationRefused, choose_target
from projections.rebuild.comparison import TableComparison, compare_generations, compare_rows
from projections.rebuild.writer import catch_up
from projections.store.advisory_locks import maintenance
from projections.store.checkpoints import read_checkpoints
from projections.store.generations import Generation, live_generation, set_state
from projections.tables.registry import TABLES

_NEAR = 500
"""Records behind below which the rest is applied while writers wait."""
_LOCK = "set local lock_timeout = '5s'"
_LOCK_TRIES = 6

Say = Callable[[str], None]


@dataclass(frozen=True)
class Promotion:
    """What a promotion did. `compared` is empty when there was no live generation to compare with."""

    from_schema: str | None
    to_schema: str
    compared: Sequence[TableComparison] = ()
    held_s: float = 0.0
    """Seconds that writers waited for the switch; readers never wait."""


@dataclass
class Different(Exception):
    """The generations differ, and the difference was not approved; the pointer stays where it is."""

    compared: Sequence[TableComparison] = field(default_factory=list)


class Promoter:
    """One switch to one generation, with its connections."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self._settings, self._say = settings, say
        self._touched: dict[str, set[Key]] | None = None

    async def promote(self, schema: str | None, *, accept_differences: bool, back: bool = False) -> Promotion:
        """Make `schema` the live one; None: the newest that is ready or, `back`, the one that was live before.

        Raises OperationRefused, Different, Busy, and errors of Kafka and PostgreSQL. Whatever is raised, the pointer has not moved.
        """
        async with self._open() as (connection, reader):
            target = await choose_target(connection, schema, back=back)
            live = await live_generation(connection)
            if live is None:
                await self._switch(connection, None, target)
                return Promotion(None, target.schema)
            foreign = await self._foreign(connection, live, target)
            if foreign:
                return await self._promote_unlike(connection, reader, live, target, foreign, accept_differences=accept_differences)
            try:
                compared = await self._compare(connection, reader, live, target)
                if not accept_differences and not all(one.equal for one in compared):
                    raise Different(compared)
                return await self._finish(connection, reader, live, target, compared, accept_differences=accept_differences)
            except LeftAlone as alone:
                return await self._promote_unlike(connection, reader, live, target, str(alone), accept_differences=accept_differences)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[tuple[AsyncConnection[Any], AIOKafkaConsumer]]:
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(self._connect())
            await stack.enter_async_context(maintenance(connection))
            reader = new_reader(self._settings, "projections-promotion")
            stack.push_async_callback(stop_quietly, reader)
            await reader.start()
            yield connection, reader

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncConnection[Any]]:
        arguments = connection_arguments(self._settings, "orders-promotion")
        async with await AsyncConnection.connect(**arguments, autocommit=True) as connection:
            yield connection

    async def _foreign(self, connection: AsyncConnection[Any], live: Generation, target: Generation) -> str | None:
        """Why the two can't stand at equal offsets; None when they can."""
        witness = KafkaWitness(lambda: new_piece_reader(self._settings, "projections-witness"))
        if objections := await witness.objections(await read_checkpoints(connection, target.schema)):
            raise OperationRefused(f"{target.schema} does not belong to this log: " + "; ".join(objections.values()))
        if live.partitions != target.partitions:
            return f"the live generation has {live.partitions} partitions, the new one {target.partitions}"
        objections = await witness.objections(await read_checkpoints(connection, live.schema))
        return "; ".join(objections.values()) or None

    async def _promote_unlike(  # noqa: PLR0913 - the two, and what is known of them
        self,
        connection: AsyncConnection[Any],
        reader: AIOKafkaConsumer,
        live: Generation,
        target: Generation,
        why: str,
        *,
        accept_differences: bool,
    ) -> Promotion:
        """Promote without comparing, which is impossible here: with approval, the new generation takes over at the log's end."""
        compared = [TableComparison("(all)", 0, 0, equal=False, note=f"can't be compared: {why}")]
        if not accept_differences:
            raise Different(compared)
        await catch_up(connection, reader, target.schema, await log_ends(reader))
        async with self._writers_wait() as lock:
            await self._switch(lock, live, target)
        return Promotion(live.schema, target.schema, compared)

    async def _compare(
        self, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, live: Generation, target: Generation
    ) -> list[TableComparison]:
        await self._approach(connection, reader, live, target)
        async with AsyncExitStack() as stack:
            eye = await stack.enter_async_context(self._connect())
            await eye.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await eye.set_read_only(True)
            async with self._writers_wait():
                await self._equalise(connection, reader, live, target)
                await stack.enter_async_context(eye.transaction())
                at = sum(checkpoint.next_offset for checkpoint in await read_checkpoints(eye, target.schema))
            # From here on, what changes is noted, to be compared by its key at the switch.
            self._touched = defaultdict(set)
            self._say(f"comparing {live.schema} and {target.schema}, both at {at} records")
            return await compare_generations(eye, live.schema, target.schema)

    async def _finish(  # noqa: PLR0913 - as above
        self,
        connection: AsyncConnection[Any],
        reader: AIOKafkaConsumer,
        live: Generation,
        target: Generation,
        compared: list[TableComparison],
        *,
        accept_differences: bool,
    ) -> Promotion:
        await self._approach(connection, reader, live, target)
        async with self._writers_wait() as lock:
            began = time.monotonic()
            await self._equalise(connection, reader, live, target)
            if not accept_differences and (last := await compare_rows(connection, live.schema, target.schema, self._touched or {})):
                raise Different(last)
            await self._switch(lock, live, target)
        return Promotion(live.schema, target.schema, compared, time.monotonic() - began)

    async def _approach(self, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, live: Generation, target: Generation) -> None:
        """Bring the new generation near the live one, and wait until that is as far as the new one.

        Raises OperationRefused, or LeftAlone, when the live one does not come up.
        """
        wait = LiveWait(live, target)
        while True:
            ahead, behind = await _apart(connection, live.schema, target.schema)
            if behind > _NEAR:
                self._say(f"{target.schema} follows: {behind} records behind {live.schema}")
                await self._follow(connection, reader, live, target)
            elif not ahead:
                return
            else:
                wait.look(ahead)
                await asyncio.sleep(0.1)

    async def _follow(self, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, live: Generation, target: Generation) -> None:
        ends = {checkpoint.partition: checkpoint.next_offset for checkpoint in await read_checkpoints(connection, live.schema)}
        await catch_up(connection, reader, target.schema, ends, given_up_in=live.schema, applied=self._note)

    async def _equalise(self, connection: AsyncConnection[Any], reader: AIOKafkaConsumer, live: Generation, target: Generation) -> None:
        """Bring both to equal offsets while writers wait. Raises OperationRefused when the live one is behind after all."""
        await self._follow(connection, reader, live, target)
        if await _apart(connection, live.schema, target.schema) != (0, 0):
            raise OperationRefused("the live generation fell back while it was held: try again")

    def _note(self, records: Sequence[RecordedMessage]) -> None:
        if self._touched is None:
            return
        for table in TABLES:
            self._touched[table.name].update(key for counted in records if (key := _key(table.key_of, counted)) is not None)

    @asynccontextmanager
    async def _writers_wait(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Hold the pointer: every worker reads it for share before it writes, so all wait until the block ends."""
        async with self._connect() as connection:
            for _ in range(_LOCK_TRIES):
                async with connection.transaction():
                    if await _held(connection):
                        yield connection
                        return
            raise OperationRefused("the workers could not be held for a moment: try again when there is less to do")

    async def _switch(self, connection: AsyncConnection[Any], live: Generation | None, target: Generation) -> None:
        """Move readers and writers over, in the caller's transaction."""
        async with connection.transaction():
            if live:
                await set_state(connection, live.schema, "retired")
            await set_state(connection, target.schema, "live")
            await connection.execute(
                "insert into projections.live (schema) values (%s) on conflict (only_one) do update set schema = excluded.schema",
                (target.schema,),
            )
            await connection.execute(
                "insert into projections.promotions (from_schema, to_schema) values (%s, %s)",
                (live.schema if live else None, target.schema),
            )


async def _held(connection: AsyncConnection[Any]) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(_LOCK)
            await connection.execute("select schema from projections.live for update")
    except LockNotAvailable:
        return False
    return True


def _key(key_of: Callable[[RecordedMessage], Key | None], counted: RecordedMessage) -> Key | None:
    try:
        return key_of(counted)
    except Exception:  # noqa: BLE001 - it is parked in both, and the parked records are compared
        return None


async def _apart(connection: AsyncConnection[Any], live: str, target: str) -> tuple[int, int]:
    """By how many records the new generation is ahead of the live one, and behind it, partition by partition."""
    at: Mapping[int, int] = {c.partition: c.next_offset for c in await read_checkpoints(connection, live)}
    apart = [c.next_offset - at[c.partition] for c in await read_checkpoints(connection, target)]
    return sum(max(0, one) for one in apart), sum(max(0, -one) for one in apart)
