"""Snapshots on a real log: a restart folds only the tail, and a snapshot that does not fit is ignored."""

import shutil
from dataclasses import dataclass
from uuid import uuid4

import pytest

from event_schemas.topics import EVENTS
from infra.kafka.topic_guard import create_topics
from infra.process.settings import Settings
from order_aggregate import assignment
from order_aggregate.assignment import take_over
from order_aggregate.partition_state import PartitionState
from order_aggregate.snapshots import Snapshots
from tests.support.given import Envelope, cancel, create, ship
from tests.support.topics import append_bytes

PARTITION = 2


@pytest.fixture
def snapshot_settings(settings: Settings, tmp_path) -> Settings:
    return settings.model_copy(update={"snapshots": tmp_path / "snapshots"})


@dataclass
class _Log:
    """A log on one partition, written as the aggregate writes it, and what a fold of it from the beginning gives."""

    settings: Settings
    state: PartitionState

    async def grow(self, orders: int) -> None:
        for _ in range(orders):
            order = Envelope(order_id=uuid4())
            for command in (create(envelope=order), ship(envelope=order), cancel(envelope=order)):
                decided = self.state.decide(command)
                assert decided is not None
                record, value = decided
                place = self.state.next_place
                headers = [("place", b"%d" % place), ("command_offset", b"%d" % place)]
                key = str(record.order_id).encode()
                assert await append_bytes(self.settings, EVENTS, value, key=key, partition=PARTITION, headers=headers) == place
                self.state.acknowledged(next_place=place + 1, command_offset=place, command_id=record.command_id, value=value)


@pytest.fixture
async def log(snapshot_settings) -> _Log:
    await create_topics(snapshot_settings)
    log = _Log(snapshot_settings, PartitionState())
    await log.grow(8)
    return log


async def _write(log: _Log) -> None:
    snapshots = Snapshots(log.settings, every_records=1)
    snapshots.take_due({PARTITION: log.state})
    assert snapshots._writing is not None
    await snapshots._writing


async def _folded(log: _Log, monkeypatch) -> tuple[PartitionState, dict[int, int]]:
    """What a restart comes to, and from where it folded."""
    starts: dict[int, int] = {}
    fold = assignment.fold_partitions

    async def watched(settings, topic, begin, apply):
        starts.update(begin)
        return await fold(settings, topic, begin, apply)

    async def fitting(_settings, _partitions):
        return {}

    monkeypatch.setattr(assignment, "fold_partitions", watched)
    monkeypatch.setattr(assignment, "_misfits", fitting)  # there are no commands behind this log
    taken = await take_over(log.settings, [PARTITION], Snapshots(log.settings), lambda: None)
    return taken.partitions[PARTITION], starts


async def test_a_restart_folds_only_what_came_after_the_snapshot(log, monkeypatch):
    await _write(log)
    await log.grow(2)

    partition, starts = await _folded(log, monkeypatch)

    assert starts == {PARTITION: 24}
    assert partition.packed() == log.state.packed()
    assert (partition.next_place, partition.next_command, partition.last_command) == (30, 30, log.state.last_command)


async def test_without_snapshots_everything_is_folded_to_the_same(log, monkeypatch):
    await _write(log)
    shutil.rmtree(log.settings.snapshot_folder)

    partition, starts = await _folded(log, monkeypatch)

    assert starts == {PARTITION: 0}
    assert partition.packed() == log.state.packed()


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty", "nonsense", "another partition's", "another fold's", "another log's"])
async def test_a_snapshot_that_does_not_fit_is_ignored(log, monkeypatch, damage):
    if damage == "another fold's":
        monkeypatch.setattr("order_aggregate.snapshots.FOLD_VERSION", 999)
    if damage == "another log's":
        log.state.last_value = b"something else"
    await _write(log)
    monkeypatch.undo()
    (file,) = log.settings.snapshot_folder.iterdir()
    raw = file.read_bytes()
    if damage == "torn":
        file.write_bytes(raw[: len(raw) // 2])
    elif damage == "flipped":
        middle = len(raw) // 2
        file.write_bytes(raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :])
    elif damage in {"empty", "nonsense"}:
        file.write_bytes(b"" if damage == "empty" else b"hello" * 100)
    elif damage == "another partition's":
        file.rename(file.with_name("aggregate-1.snapshot"))
        assert await Snapshots(log.settings).load([1]) == {}

    partition, starts = await _folded(log, monkeypatch)

    assert starts == {PARTITION: 0}
    assert partition.packed() == log.state.packed()
