"""Exclusive rights, as PostgreSQL's session locks: they end with the connection, so that a killed process blocks no other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

_SPACE = 7_263_401_955


class Busy(Exception):
    """Another process has the right; the text says to what."""


@asynccontextmanager
async def claimed(connection: AsyncConnection[Any], what: str) -> AsyncIterator[bool]:
    """Try to take the right for the block; False when another process has it."""
    if not await _asked(connection, "select pg_try_advisory_lock(hashtextextended(%s, %s))", what):
        yield False
        return
    try:
        yield True
    finally:
        if not connection.closed and not connection.broken:
            await _asked(connection, "select pg_advisory_unlock(hashtextextended(%s, %s))", what)


@asynccontextmanager
async def maintenance(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Hold the right to rebuild, promote or drop, which only one process has at a time. Raises Busy."""
    async with claimed(connection, "projections maintenance") as mine:
        if not mine:
            raise Busy("another rebuild, promotion or drop is at work on these read models: wait until it is done, or stop it")
        yield


def partition_claim(schema: str, partition: int) -> str:
    """The name of the right to fill one partition of a generation."""
    return f"projections {schema}/{partition}"


async def _asked(connection: AsyncConnection[Any], statement: str, what: str) -> bool:
    row = await (await connection.execute(statement, (what, _SPACE))).fetchone()
    return row == (True,)
