"""decide: how fast one aggregate worker works off a topic full of commands, beside a loop without Faust and without guards."""

import shutil
from collections.abc import Sequence

from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.reader import log_ends, stop_quietly
from infra.kafka.clients import new_reader
from tools.bench.measuring import Metric, Sample, grown
from tools.bench.orders import fill_commands, unique_of
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers

_LOOK_S = 0.02
_WITHIN_S = 180.0


class Decide:
    """`commands` CreateOrder commands, 5 % of them repeats, each ending in one record."""

    name = "decide"
    what = "commands decided by one aggregate worker, 5 % repeats, until the log has all records"
    floor_is = "bare aiokafka: the same decoding, decide and envelope, one batch a partition, acks=all; the state in a dict"
    metrics = (
        Metric("commands/s", "commands/s", wanted=0.8),
        Metric("CPU µs a command", "µs", more_is_better=False),
    )

    def __init__(self, servers: Servers, *, commands: int, workers: int = 1, fetch_records: int | None = None) -> None:
        self._servers, self._commands, self._workers = servers, commands, workers
        self._fetch_records = fetch_records

    async def enter(self) -> None:
        """Fill the topic once: an empty log makes a worker begin with its first command again."""
        await self._servers.new_topics(COMMANDS, EVENTS)
        await fill_commands(self._servers.settings, self._commands)

    async def measured(self) -> Sample:
        """`python -m order_aggregate`."""
        if self._fetch_records is None:
            return await self._round("order_aggregate", workers=self._workers)
        return await self._round("tools.bench.fetch_sized", "order_aggregate", str(self._fetch_records), workers=self._workers)

    async def floor(self) -> Sample:
        """The bare loop."""
        return await self._round("tools.bench.floors.decide")

    async def leave(self) -> None:
        """End nothing: nothing runs between rounds."""

    async def _round(self, module: str, *arguments: str, workers: int = 1) -> Sample:
        await self._servers.new_topics(EVENTS)
        shutil.rmtree(self._servers.snapshots, ignore_errors=True)
        processes = [self._servers.process(module, *arguments) for _ in range(workers)]
        for process in processes:
            process.start()
        try:
            return await self._timed(processes)
        finally:
            for process in processes:
                process.stop()

    async def _timed(self, workers: Sequence[BenchProcess]) -> Sample:
        reader = new_reader(self._servers.settings, "order-bench")
        await reader.start()

        async def decided() -> int:
            return sum((await log_ends(reader)).values())

        def cpu_s() -> dict[str, float]:
            return {"workers": sum(worker.cpu_s() for worker in workers)} | self._servers.cpu_s()

        try:
            timed = await grown(decided, unique_of(self._commands), cpu_s, look_s=_LOOK_S, within_s=_WITHIN_S)
        finally:
            await stop_quietly(reader)
        return {
            "commands/s": self._commands / timed.seconds,
            "CPU µs a command": 1e6 * timed.cpu_s["workers"] / self._commands,
            "CPU µs a command, kafka": 1e6 * timed.cpu_s["kafka"] / self._commands,
            "memory MiB": sum(worker.memory_mib() for worker in workers),
        }
