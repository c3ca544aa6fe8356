"""FAUST.md 25: a stuck worker looks alive. It ends; one that works, folds or says what it waits for does not."""

import asyncio
import contextlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

from infra.faust.fetches import Fetch
from infra.faust.watchdog import LastProgress, end_when_stuck
from infra.faust.worker import FetchWorker
from infra.process.exits import GUARD_EXIT
from infra.process.health import Health
from tests.support.quick_time import QuickLoop

LIMIT_S = 1.0


class Ended(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def ended(monkeypatch):
    reasons: list[str] = []

    def end(reason: str):
        reasons.append(reason)
        raise Ended(reason)

    monkeypatch.setattr("infra.faust.watchdog.end_process", end)
    return reasons


@pytest.fixture
def health():
    health = Health("worker")
    health.started()
    return health


def _watched(health, work) -> None:
    """Do this work, which is told where to note its progress, at most ten limits long, while that is watched. No time passes."""
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        last_progress = LastProgress(runner.get_loop().time)
        runner.run(_watch(last_progress, health, work(last_progress)))


async def _watch(last_progress, health, work) -> None:
    working = asyncio.create_task(work)
    watching = asyncio.create_task(end_when_stuck(last_progress, health, limit_s=LIMIT_S, look_every_s=LIMIT_S / 10))
    await asyncio.wait({working, watching}, timeout=10 * LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
    for task in (working, watching):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Ended):
            await task


async def _handed_over(last_progress, handler) -> None:
    """A worker that is handed a tick every now and then, as the transport does."""
    consumer = SimpleNamespace(assignment_number=1)
    worker = FetchWorker(SimpleNamespace(consumer=consumer, last_progress=last_progress), handler, session_timeout_s=6.0)
    for _ in range(8):
        await worker.take(Fetch(0, frozenset(), {}))  # of an assignment that is over: dropped, but taken
        await asyncio.sleep(LIMIT_S / 4)
    consumer.assignment_number = 0
    await worker.take(Fetch(0, frozenset(), {}))


class _Hangs:
    """A service's part that never comes back, and never fails."""

    async def assigned(self, _partitions):
        await asyncio.Event().wait()


def test_a_worker_whose_part_never_comes_back_ends_its_process(ended, health):
    _watched(health, lambda last_progress: _handed_over(last_progress, _Hangs()))

    assert ended
    assert "stuck" in ended[0]


def test_a_worker_that_takes_fetches_goes_on(ended, health):
    async def takes_on(last_progress) -> None:
        for _ in range(12):
            last_progress.moved()
            await asyncio.sleep(LIMIT_S / 4)

    _watched(health, takes_on)

    assert not ended


def test_a_worker_that_waits_for_something_goes_on_and_gets_its_time_again_afterwards(ended, health):
    async def waits(_last_progress) -> None:
        health.wait_for("database", "PostgreSQL does not answer")
        await asyncio.sleep(2 * LIMIT_S)
        health.settled("database")
        await asyncio.sleep(LIMIT_S / 2)

    _watched(health, waits)

    assert not ended


_BLOCKED = """
import asyncio, time
from infra.faust.watchdog import end_when_blocked
async def main():
    stop = end_when_blocked(asyncio.get_running_loop(), limit_s=0.5, look_every_s=0.05)
    await asyncio.sleep({works_s})
    {then}
    stop()
asyncio.run(main())
"""


_LOOPS = {
    "a loop that is blocked ends its process": ({"works_s": 0.1, "then": "time.sleep(20)"}, GUARD_EXIT),
    "a loop that runs goes on": ({"works_s": 1.5, "then": "pass"}, 0),
}


@pytest.fixture(scope="module")
def loops():
    """All of them, side by side: each takes a second or two."""
    programs = {name: _BLOCKED.format(**how) for name, (how, _) in _LOOPS.items()}
    running = {
        name: subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name, program in programs.items()
    }
    yield running
    for process in running.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("loop", _LOOPS)
def test_the_event_loop_is_watched_from_outside(loops, loop):
    assert loops[loop].wait(timeout=15) == _LOOPS[loop][1]
