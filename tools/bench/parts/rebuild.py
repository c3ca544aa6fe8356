"""rebuild: how fast a generation is filled from the log, beside reading, decoding and copying the same rows."""

import asyncio
import resource

from event_schemas.topics import COMMANDS, EVENTS
from tools.bench.floors.orders_log import write_bench_log
from tools.bench.floors.rebuild import time_least
from tools.bench.floors.rebuild_beside_floor import timed_rebuild
from tools.bench.measuring import Metric, Sample
from tools.bench.servers import Servers


class RebuildPart:
    """A log of `orders` orders, two processes."""

    name = "rebuild"
    what = "records of a whole rebuild by two processes, indexes and checkpoints included"
    floor_is = "as many processes read and decode the same records and COPY the rows that the rebuild made, without folding or indexes"
    metrics = (Metric("records/s", "records/s"),)

    def __init__(self, servers: Servers, *, orders: int, workers: int = 2) -> None:
        self._servers, self._orders, self._workers = servers, orders, workers
        self._records = 0
        self._schema = ""

    async def enter(self) -> None:
        """Write the log; the floor copies the rows of a rebuild that is not timed."""
        await self._servers.new_topics(COMMANDS, EVENTS)
        self._records = await write_bench_log(self._servers.settings, self._orders)
        await self.measured()

    async def measured(self) -> Sample:
        """`./orders projections rebuild`, on an empty database."""
        self._servers.use_new_database()
        used = _of_ended_processes()
        self._schema, seconds, folding = await timed_rebuild(self._servers.settings, self._workers, _say_nothing)
        cpu = _of_ended_processes() - used
        return {
            "records/s": self._records / seconds,
            "folding alone, records/s": self._records / folding,
            "CPU µs a record": 1e6 * cpu / self._records,
        }

    async def floor(self) -> Sample:
        """The least that a rebuild could cost; its start and the fetching of the rows are not timed."""
        seconds, _ = await asyncio.to_thread(time_least, self._servers.settings, self._schema, self._workers)
        return {"records/s": self._records / seconds}

    async def leave(self) -> None:
        """Nothing runs between rounds."""


def _say_nothing(_: str) -> None:
    """The rounds are told, not their phases."""


def _of_ended_processes() -> float:
    """CPU seconds of this process's children that have ended; the workers of a rebuild have when it returns."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
