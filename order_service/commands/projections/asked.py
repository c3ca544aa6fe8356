"""How the projections' commands reach PostgreSQL and Kafka, and how they end when they can't."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, IsolationLevel

from infra.errors import BrokerAway, DatabaseAway, LogUnreadable
from infra.event_log.reader import stop_quietly
from infra.kafka.clients import broker_errors, new_piece_reader
from infra.postgres.connections import connection_arguments, database_address, reason_of
from infra.process.settings import Settings
from order_service.stack.running import stack_settings
from order_service.terminal import fail
from projections.operations import Busy, NewerRecord, OperationRefused, Overtaken, Poison, RebuildStopped, Status, lag_of, read_status

T = TypeVar("T")


def asked(question: Coroutine[Any, Any, T]) -> T:
    """The answer; ends the command with one line that says why there is none."""
    try:
        with broker_errors():
            return asyncio.run(question)
    except (OperationRefused, Busy, RebuildStopped, Poison, NewerRecord, Overtaken, LogUnreadable, DatabaseAway) as error:
        fail(str(error), 1)
    except psycopg.OperationalError as error:
        fail(reason_of(error, database_address(stack_settings())), 1)
    except BrokerAway as error:
        fail(f"the log can't be read ({error}): is the stack up? `./orders status`", 1)


async def connected(settings: Settings, work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    """Run `work` with a connection of its own."""
    arguments = connection_arguments(settings, "orders-projections")
    async with await AsyncConnection.connect(**arguments, autocommit=True) as connection:
        return await work(connection)


async def status_of(settings: Settings, *, lags: bool = True) -> Status:
    """The generations of one moment; without lags when they are not wanted or the log can't be read."""

    async def look(connection: AsyncConnection[Any]) -> Status:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        async with connection.transaction():
            return await read_status(connection)

    status = await connected(settings, look)
    return await _with_lags(settings, status) if lags and status.generations else status


async def _with_lags(settings: Settings, status: Status) -> Status:
    try:
        with broker_errors():
            reader = new_piece_reader(settings, "projections-status")
            try:
                await asyncio.wait_for(reader.start(), 10)
                lags = [await lag_of(reader, one.next_offsets) for one in status.generations]
            finally:
                await stop_quietly(reader)
    except (BrokerAway, LogUnreadable):
        return status
    known = [replace(one, lag_records=lag[0], lag_seconds=lag[1]) for one, lag in zip(status.generations, lags, strict=True)]
    return replace(status, generations=known)
