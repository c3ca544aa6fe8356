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

LIMIT_S = 1.0  # far more than a busy machine keeps a loop waiting


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


async def _watched(last_progress, health, work) -> None:
    """Do this work, at most ten limits long, while the last_progress is watched."""
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


async def test_a_worker_whose_part_never_comes_back_ends_its_process(ended, health):
    last_progress = LastProgress()

    await _watched(last_progress, health, _handed_over(last_progress, _Hangs()))

    assert ended
    assert "stuck" in ended[0]


async def test_a_worker_that_takes_fetches_goes_on(ended, health):
    last_progress = LastProgress()

    async def takes_on() -> None:
        for _ in range(12):
            last_progress.moved()
            await asyncio.sleep(LIMIT_S / 4)

    await _watched(last_progress, health, takes_on())

    assert not ended


async def test_a_worker_that_waits_for_something_goes_on_and_gets_its_time_again_afterwards(ended, health):
    last_progress = LastProgress()

    async def waits() -> None:
        health.wait_for("database", "PostgreSQL does not answer")
        await asyncio.sleep(2 * LIMIT_S)
        health.settled("database")
        await asyncio.sleep(LIMIT_S / 2)

    await _watched(last_progress, health, waits())

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


@pytest.mark.parametrize(
    ("works_s", "then", "code"),
    [(0.1, "time.sleep(20)", GUARD_EXIT), (1.5, "pass", 0)],
    ids=["a loop that is blocked ends its process", "a loop that runs goes on"],
)
def test_the_event_loop_is_watched_from_outside(works_s, then, code):
    program = _BLOCKED.format(works_s=works_s, then=then)

    assert subprocess.run([sys.executable, "-c", program], timeout=15, check=False, capture_output=True).returncode == code
