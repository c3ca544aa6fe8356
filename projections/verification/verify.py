"""`verify`: the live read models held against the log, and put right if that is asked for."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from psycopg import AsyncConnection, IsolationLevel

from infra.event_log.reader import stop_quietly
from infra.kafka.clients import new_reader
from infra.postgres.connections import connection_arguments
from infra.process.settings import Settings
from projections.rebuild.choice import Refused
from projections.store.generations import all_generations, live_generation
from projections.store.missing_step import foreign_folds
from projections.tables.registry import FOLD_VERSION
from projections.verification.repair import Repaired, repair
from projections.verification.verification import Findings, Verification, Watch
from projections.verification.verify_orders import verify_orders


@dataclass(frozen=True)
class VerifyOptions:
    """What to look at: everything, `sample` orders, or one; and whether to put it right."""

    sample: int = 0
    order_id: UUID | None = None
    repair: bool = False


async def verify(settings: Settings, options: VerifyOptions, watch: Watch) -> tuple[Findings, Repaired | None]:
    """Compare, and repair if that is asked for and needed.

    Raises Refused when there is nothing that this release could compare, and errors of Kafka and PostgreSQL.
    """
    async with _reader(settings) as reader:
        findings = await _look(settings, reader, options, watch)
        if not (options.repair and findings.drifts):
            return findings, None
        arguments = connection_arguments(settings, "orders-verify")
        async with await AsyncConnection.connect(**arguments, autocommit=True) as connection:
            return findings, await repair(connection, reader, findings)


async def _look(settings: Settings, reader: AIOKafkaConsumer, options: VerifyOptions, watch: Watch) -> Findings:
    async with AsyncExitStack() as stack:
        arguments = connection_arguments(settings, "orders-verify")
        eye: AsyncConnection[Any] = await stack.enter_async_context(await AsyncConnection.connect(**arguments, autocommit=True))
        await eye.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await eye.set_read_only(True)
        await stack.enter_async_context(eye.transaction())
        generation = await live_generation(eye)
        if generation is None:
            raise Refused("there are no read models yet: the projections make them when they start")
        if generation.fold_version != FOLD_VERSION:
            raise Refused(foreign_folds(generation, await all_generations(eye), fold_version=FOLD_VERSION))
        if not options.sample and options.order_id is None:
            return await Verification(eye, reader, generation, watch).run()
        seed = secrets.token_bytes(8)
        return await verify_orders(eye, reader, generation, watch, sample=options.sample, seed=seed, order_id=options.order_id)


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    reader = new_reader(settings, "projections-verify")
    try:
        await reader.start()
        yield reader
    finally:
        await stop_quietly(reader)
