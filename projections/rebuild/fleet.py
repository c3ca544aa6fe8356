"""The processes of a rebuild: started, listened to, started again when they are killed."""

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from projections.rebuild.worker import Reached, Share, Stopped, work

_LISTEN_S = 0.1
_RESTARTS = 5
"""Ends without any progress in between after which a rebuild gives up."""
_AGAIN_S = 0.5


class RebuildStopped(Exception):
    """The rebuild can't go on; the text says why and what to do. What was written stays, and the next one goes on there."""


class Fleet:
    """Workers in processes of their own. They end with this one, however it ends."""

    def __init__(self, share: Share, workers: int, reached: Callable[[Reached], None]) -> None:
        rate = None if share.rate is None else share.rate / workers
        self._shares = [replace(share, rate=rate, targets=_turned(share.targets, number, workers)) for number in range(workers)]
        self._reached = reached
        self._running: list[tuple[SpawnProcess, Connection]] = []
        self._reason: str | None = None
        self._moved = False

    async def run(self, tick: Callable[[], object]) -> None:
        """Run one worker for each share to its end; `tick` is called several times a second.

        Raises RebuildStopped when a worker can't go on.
        """
        idle = 0
        self._start(self._shares)
        try:
            while self._running:
                await asyncio.sleep(_LISTEN_S)
                fallen = self._listen()
                tick()
                if self._reason:
                    raise RebuildStopped(self._reason)
                if fallen:
                    idle = 0 if self._moved else idle + 1
                    self._moved = False
                    if idle > _RESTARTS:
                        raise RebuildStopped("the workers end at once: see the lines above; PostgreSQL or Kafka may be away")
                    await asyncio.sleep(_AGAIN_S)
                    self._start(self._shares[: len(fallen)])
        finally:
            self._stop()

    def _start(self, shares: Sequence[Share]) -> None:
        context = multiprocessing.get_context("spawn")
        for share in shares:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=work, args=(share, theirs), daemon=True, name="projections-rebuild")
            process.start()
            theirs.close()
            self._running.append((process, ours))

    def _listen(self) -> list[SpawnProcess]:
        """Take in what the workers said; returns those that ended before their time."""
        fallen = []
        for process, pipe in list(self._running):
            alive = process.is_alive()
            self._take_in(pipe)
            if not alive:
                self._running.remove((process, pipe))
                pipe.close()
                if process.exitcode != 0:
                    fallen.append(process)
        return fallen

    def _take_in(self, pipe: Connection) -> None:
        try:
            while pipe.poll():
                said = pipe.recv()
                if isinstance(said, Reached):
                    self._moved = True
                    self._reached(said)
                elif isinstance(said, Stopped) and said.reason:
                    self._reason = said.reason
        except (EOFError, OSError):
            return  # it ended; its exit code says how

    def _stop(self) -> None:
        for process, pipe in self._running:
            process.kill()  # what it has not saved is repeated by the next
            process.join()
            pipe.close()
        self._running.clear()


def _turned(targets: dict[int, int], number: int, workers: int) -> dict[int, int]:
    """The same partitions, begun elsewhere: each worker finds one of its own at once."""
    order = list(targets)
    start = len(order) * number // workers
    return {partition: targets[partition] for partition in order[start:] + order[:start]}
