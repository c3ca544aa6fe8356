"""This project as a peer of the kit's T1: the kit's orders as commands of `POST /orders`, and one `python -m order_aggregate`."""

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from event_schemas.topics import COMMANDS, EVENTS
from infra.event_log.reader import log_ends, read_ranges, reading, stop_quietly
from infra.kafka.clients import new_reader
from infra.kafka.topic_guard import connected_admin, found_by
from infra.process.settings import Settings
from tools.bench.orders import Row, command_row, fill
from tools.bench.peers.events import Checked, expected_event
from tools.bench.peers.kit import Kit
from tools.bench.peers.kit import Row as KitRow
from tools.bench.process import BenchProcess
from tools.bench.servers import Servers

NAME = "order-service"
_LOOK_S = 0.05
_WITHIN_S = 60.0
_ASSIGNED = re.compile(rb"^(\S+) .*assigned partitions: \d", re.MULTILINE)


class Ours:
    """The project on the kit's clock.

    The clock of a peer starts when its worker consumes the first command. Ours starts earlier: when the worker logs that it was
    assigned its partitions, before it has looked for snapshots, folded the log, and asked for any command. It stops, as any peer's,
    at the broker's time of the last event. Every event is read back and compared.
    """

    def __init__(self, servers: Servers, kit: Kit, count: int) -> None:
        self._servers, self._kit, self._count = servers, kit, count
        self._wanted: dict[bytes, bytes] = {}

    async def enter(self) -> None:
        """Fill the topic of commands once: an empty log makes a worker begin with its first command again."""
        await self._servers.new_topics(COMMANDS, EVENTS)
        await fill(self._servers.settings, COMMANDS, self._rows())

    def _rows(self) -> Iterator[Row]:
        """A command of each order of the kit, its id as the Idempotency-Key; a repeated order is a repeated command, byte for byte."""
        rows: dict[str, Row] = {}
        partitions = self._servers.settings.partitions
        for number, (key, order) in enumerate(self._kit.orders(self._count)):
            if key not in rows:
                body = {"customer_id": order["customer_id"], "currency": order["currency"], "lines": order["lines"]}
                row = command_row(body | {"reference": order["note"]}, key, number, partitions)
                rows[key] = row
                self._wanted[row[1]] = expected_event(row[2])
            yield rows[key]

    async def measured(self) -> KitRow:
        """One round."""
        await self._servers.new_topics(EVENTS)
        await _stamp_appends(self._servers.settings)
        shutil.rmtree(self._servers.snapshots, ignore_errors=True)
        watch = self._kit.quiet().Watch(psutil.Process(self._servers.pids["kafka"]))
        await asyncio.to_thread(watch.wait)
        worker = self._servers.process("order_aggregate")
        log = _NewLines(self._servers.home.folder / "order_aggregate.log")
        started_at, kafka_cpu_s = time.time(), self._servers.cpu_s()["kafka"]
        worker.start()
        try:
            used = await self._work(worker, log)
        finally:
            worker.stop()
        used["broker_cpu_s"] = round(self._servers.cpu_s()["kafka"] - kafka_cpu_s, 2)
        others = watch.others()
        checked = await self._checked()
        return self._row(checked, _assigned_at(log.text()), started_at) | used | {"others_cores": others}

    async def _work(self, worker: BenchProcess, log: "_NewLines") -> dict[str, float]:
        """Wait until the log has all events; what the worker used. Raises TimeoutError."""
        reader = new_reader(self._servers.settings, "order-bench")
        await reader.start()
        try:
            async with asyncio.timeout(_WITHIN_S):
                while not _assigned_at(log.text()):  # noqa: ASYNC110 - a log tells no one
                    await asyncio.sleep(_LOOK_S)
                before_s = worker.cpu_s()
                while sum((await log_ends(reader)).values()) < len(self._wanted):  # noqa: ASYNC110 - nor does a broker
                    await asyncio.sleep(_LOOK_S)
            used_s, resident = worker.cpu_s(), psutil.Process(worker.pid).memory_info().rss
            return {"cpu_steady_s": round(used_s - before_s, 2), "cpu_s": round(used_s, 2), "rss_mib": resident >> 20}
        finally:
            await stop_quietly(reader)

    async def _checked(self) -> Checked:
        checked = Checked(self._wanted)
        async with reading(new_reader(self._servers.settings, "order-bench")) as reader:
            ranges = {partition: (0, end) for partition, end in (await log_ends(reader)).items()}
            async for _, records in read_ranges(reader, ranges):
                for record in records:
                    checked.take(record)
        return checked

    def _row(self, checked: Checked, began: float, started_at: float) -> KitRow:
        times = sorted(checked.appended_at)
        end, half = times[-1], times[len(times) // 2]
        return {
            "peer": NAME,
            "commands": self._count,
            **checked.counts,
            "seconds": round(end - began, 2),
            "rate": round(self._count / (end - began)),
            "rate_2nd_half": round(self._count / 2 / (end - half)),
            "startup_s": round(began - started_at, 2),
            "ok": checked.ok,
        }


class _NewLines:
    """What a log says from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._from = path.stat().st_size if path.exists() else 0

    def text(self) -> bytes:
        """All of it, up to now."""
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            file.seek(self._from)
            return file.read()


def _assigned_at(log: bytes) -> float:
    """When a worker was assigned partitions; 0 when it has not been yet."""
    said = _ASSIGNED.search(log)
    return datetime.fromisoformat(said[1].decode()).timestamp() if said else 0.0


async def _stamp_appends(settings: Settings) -> None:
    """Let the broker set the times of events, as on the topics of the kit's peers."""
    async with connected_admin(settings) as admin:
        configs = (await found_by(admin))[EVENTS].overrides | {"message.timestamp.type": "LogAppendTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, EVENTS, configs=configs)])
        while (await found_by(admin))[EVENTS].settings.get("message.timestamp.type") != "LogAppendTime":  # noqa: ASYNC110 - the broker tells no one
            await asyncio.sleep(_LOOK_S)
