"""Reads that end early, because the client went away or the time was up, must not use up the connections."""

import asyncio
import random
from contextlib import asynccontextmanager

from psycopg.rows import dict_row

from infra.http.problems import Problem
from projections.queries.read_snapshot import ReadSnapshot

AT_ONCE = 40


async def _slow(snapshot: ReadSnapshot) -> None:
    await snapshot.connection.execute("select pg_sleep(0.003)")


async def _quick(snapshot: ReadSnapshot) -> str:
    cursor = await snapshot.connection.cursor(row_factory=dict_row).execute("select 1 as one")
    return str(await cursor.fetchone())


async def _cut(reads, chance: random.Random) -> None:
    reading = asyncio.create_task(reads.read(_slow))
    await asyncio.sleep(chance.random() * 0.02)
    reading.cancel()
    await asyncio.wait({reading})


async def test_reads_that_are_cut_off_leave_every_connection_usable(worker, reads):
    chance = random.Random(7)
    for _ in range(25):
        await asyncio.gather(*(_cut(reads, chance) for _ in range(AT_ONCE)))

    for _ in range(3):
        answers = await asyncio.gather(*(reads.read(_quick) for _ in range(AT_ONCE)))
        assert len(answers) == AT_ONCE


async def test_reads_whose_time_is_up_leave_every_connection_usable(worker, reads, monkeypatch):
    monkeypatch.setattr("projections.queries.read_models.ANSWER_S", 0.55)

    async def stuck(snapshot: ReadSnapshot) -> None:
        await snapshot.connection.execute("select pg_sleep(1.2)")

    results = await asyncio.gather(*(reads.read(stuck) for _ in range(AT_ONCE)), return_exceptions=True)
    assert all(isinstance(result, Problem) and result.status == 503 for result in results)

    await asyncio.sleep(1.5)
    monkeypatch.undo()
    answers = await asyncio.gather(*(reads.read(_quick) for _ in range(AT_ONCE)))
    assert len(answers) == AT_ONCE


async def test_no_more_readers_ask_the_pool_at_once_than_it_has_connections(worker, reads, monkeypatch):
    """Thousands who asked it kept those who gave a connection back from its lock: all connections idle, and every read 503."""
    asking = most = 0
    real = reads.pool.connection

    @asynccontextmanager
    async def counted(**arguments):
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        try:
            async with real(**arguments) as connection:
                yield connection
        finally:
            asking -= 1

    monkeypatch.setattr(reads.pool, "connection", counted)
    await asyncio.gather(*(reads.read(_quick) for _ in range(3 * AT_ONCE)), return_exceptions=True)

    assert most == reads.pool.max_size
