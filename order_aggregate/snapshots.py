"""Snapshots of the aggregate's state, so that a restart folds only the log's tail, however long the log is.

Each says up to which place it was folded and what stands before that place. On any mismatch it is ignored: the log is the truth.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from event_schemas.topics import EVENTS
from infra.event_log.reader import log_beginnings, log_ends, read_ranges, stop_quietly
from infra.kafka.clients import new_piece_reader
from infra.process.settings import Settings
from order_aggregate.partition_state import PartitionState
from order_aggregate.snapshot_file import BadSnapshot, read_snapshot, write_snapshot
from order_aggregate.state_encoding import FOLD_VERSION

EVERY_RECORDS = 10_000
"""Records of a partition after which its snapshot is written anew; a restart folds about as many of it."""
LOOK_EVERY_S = 10.0

_WRITTEN = Counter("orders_snapshots_written", "Snapshots of the aggregate's state that were written")
_IGNORED = Counter("orders_snapshots_ignored", "Snapshots that did not fit and were ignored")
_log = logging.getLogger(__name__)


class Snapshots:
    """The snapshots of one worker, in a folder that workers of one machine may share: any worker may use one that fits the log."""

    def __init__(self, settings: Settings, *, topic: str = EVENTS, every_records: int = EVERY_RECORDS) -> None:
        self._settings, self._topic, self._every = settings, topic, every_records
        self._folder = settings.snapshot_folder
        self._taken_at: dict[int, int] = {}
        self._look_at = 0.0
        self._writing: asyncio.Task[None] | None = None

    async def load(self, numbers: Iterable[int]) -> dict[int, PartitionState]:
        """The partitions that have a snapshot that fits the log. Raises BrokerAway."""
        found = {number: snapshot for number in numbers if (snapshot := self._read(number)) is not None}
        fitting = await self._fitting(found) if found else set()
        for number in found.keys() - fitting:
            self._ignore(number, "it is of another log")
        self._taken_at = {number: found[number].partition.next_place for number in fitting}
        return {number: found[number].partition for number in fitting}

    def take_due(self, partitions: Mapping[int, PartitionState]) -> None:
        """Write the snapshots that are due, in the background. Call it while nothing of these partitions is in flight."""
        if time.monotonic() < self._look_at or (self._writing is not None and not self._writing.done()):
            return
        self._look_at = time.monotonic() + LOOK_EVERY_S
        for number, partition in partitions.items():
            if partition.next_place - self._taken_at.get(number, 0) >= self._every:
                self._taken_at[number] = partition.next_place
                # The bytes are immutable: what is decided while they are written does not change them.
                head, sections = _head(number, partition), partition.packed()
                self._writing = asyncio.create_task(asyncio.to_thread(self._write, number, head, sections))
                self._look_at = 0.0  # the next one at the next fetch
                return

    def _write(self, number: int, head: Mapping[str, object], sections: tuple[bytes, ...]) -> None:
        try:
            write_snapshot(self._path(number), head, sections)
            _WRITTEN.inc()
        except OSError as error:
            _log.warning("no snapshot of partition %d: %s", number, error)

    def _read(self, number: int) -> "_Snapshot | None":
        try:
            read = read_snapshot(self._path(number))
            return _unpacked(number, *read) if read else None
        except (BadSnapshot, OSError, ValueError, KeyError, TypeError) as error:
            self._ignore(number, str(error))
            return None

    def _ignore(self, number: int, why: str) -> None:
        _IGNORED.inc()
        _log.warning("the snapshot of partition %d is ignored: %s", number, why)

    def _path(self, number: int) -> Path:
        return self._folder / f"aggregate-{number}.snapshot"

    async def _fitting(self, found: Mapping[int, "_Snapshot"]) -> set[int]:
        """The partitions whose snapshot fits: before its next place, the log holds the very bytes that were folded last."""
        reader = new_piece_reader(self._settings, "order-snapshots")
        try:
            await reader.start()
            begins, ends = await log_beginnings(reader, self._topic), await log_ends(reader, self._topic)
            places = {number: snapshot.partition.next_place for number, snapshot in found.items()}
            last = {number: (place - 1, place) for number, place in places.items() if begins.get(number, 0) < place <= ends.get(number, 0)}
            fitting = set()
            async for number, records in read_ranges(reader, last, self._topic):
                if _digest(records[0].value) == found[number].last_digest:
                    fitting.add(number)
            return fitting
        finally:
            await stop_quietly(reader)


@dataclass(frozen=True)
class _Snapshot:
    partition: PartitionState
    last_digest: str


def _digest(value: bytes | None) -> str:
    return hashlib.blake2b(value or b"", digest_size=32).hexdigest()


def _head(number: int, partition: PartitionState) -> dict[str, object]:
    last = partition.last_command
    return {
        "fold_version": FOLD_VERSION,
        "partition": number,
        "next_place": partition.next_place,
        "last_command": [str(last[0]), last[1]] if last else None,
        "last_digest": _digest(partition.last_value),
    }


def _unpacked(number: int, head: Mapping[str, Any], sections: Sequence[bytes]) -> _Snapshot:
    if (head["fold_version"], head["partition"]) != (FOLD_VERSION, number):
        raise BadSnapshot(f"it is of fold version {head['fold_version']}, partition {head['partition']}")
    partition = PartitionState()
    partition.unpack(sections)
    partition.next_place = head["next_place"]
    if head["last_command"]:
        command_id, offset = head["last_command"]
        partition.last_command = (UUID(command_id), offset)
        partition.next_command = offset + 1
    return _Snapshot(partition, head["last_digest"])
