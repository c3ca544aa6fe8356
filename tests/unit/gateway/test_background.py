"""A gateway whose pool of connections is jammed ends itself; one whose PostgreSQL is away waits."""

import asyncio

import pytest

from event_schemas.codes import Code
from gateway import background as gateway_background
from gateway.background import READS, watch_reads
from infra.http.problems import Problem
from infra.process.health import Health


class Ended(Exception):
    """Stands for the end of the process."""


class _Reads:
    """Read models whose reads fail."""

    def __init__(self, *, reachable: bool, code: Code = Code.READ_MODEL_UNAVAILABLE) -> None:
        self._reachable, self._code, self.looks = reachable, code, 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def foreign(self) -> None:
        self.looks += 1
        raise Problem(self._code, "does not answer")

    async def reachable(self) -> bool:
        return self._reachable


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    def end(reason: str):
        raise Ended(reason)

    monkeypatch.setattr(gateway_background, "_LOOK_S", 0)
    monkeypatch.setattr(gateway_background, "end_process", end)


async def test_a_jammed_pool_ends_the_process():
    reads, health = _Reads(reachable=True), Health("gateway")

    with pytest.raises(Ended, match="jammed"):
        await watch_reads(reads, asyncio.Event(), health)
    assert reads.looks >= 6


@pytest.mark.parametrize("reads", [_Reads(reachable=False), _Reads(reachable=True, code=Code.REBUILDING)], ids=["away", "rebuilding"])
async def test_a_database_that_is_away_or_rebuilding_is_waited_for(reads):
    health = Health("gateway")
    watching = asyncio.create_task(watch_reads(reads, asyncio.Event(), health))
    while reads.looks < 30:
        await asyncio.sleep(0)

    assert not watching.done()
    assert health.detail == "does not answer"
    watching.cancel()


async def test_what_comes_back_settles():
    reads, health = _Reads(reachable=True), Health("gateway")
    health.wait_for(READS, "does not answer")

    async def answers() -> None: ...

    reads.foreign = answers
    looked = asyncio.Event()
    watching = asyncio.create_task(watch_reads(reads, looked, health))
    await looked.wait()

    assert health.detail is None
    watching.cancel()
