"""A log in memory that stands for the tail, and an sink that remembers."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from event_schemas.events import Record
from event_schemas.positions import LogIdentity
from event_schemas.recorded import RecordedMessage
from notifier.live_end import LiveEnd
from tests.support.records import created, shipped


class RememberingSink:
    """Keeps every frame."""

    def __init__(self) -> None:
        self.queued: list[bytes] = []

    def queue(self, payload: bytes) -> None:
        """As an FrameSink."""
        self.queued.append(payload)

    def flush(self) -> None:
        """As an FrameSink."""

    @property
    def open(self) -> bool:
        """As a ClientSink."""
        return True

    @property
    def buffered(self) -> int:
        """As a ClientSink."""
        return 0

    async def drained(self) -> None:
        """As a ClientSink."""

    def end(self, code: int, reason: Mapping[str, object]) -> None:
        """As a ClientSink."""

    def events(self) -> list[dict[str, Any]]:
        """All frames, read."""
        return [orjson.loads(payload) for payload in self.queued]


class FakeLog:
    """Partitions with records; `deliver` shows the next ones of a partition to the live end, as the log tail does."""

    def __init__(self, partitions: int) -> None:
        self.records: dict[int, list[RecordedMessage]] = {partition: [] for partition in range(partitions)}
        self.ends = dict.fromkeys(range(partitions), 0)
        self.identity = LogIdentity(partitions, dict.fromkeys(range(partitions), b"first"))

    def unseen(self) -> "FakeLog":
        """The same log, of which nothing has been delivered."""
        other = FakeLog(len(self.records))
        other.records = self.records
        return other

    def append(self, partition: int, record: Record) -> RecordedMessage:
        """The record stands at the partition's end."""
        offset = len(self.records[partition])
        counted = RecordedMessage(record, partition, offset, 1_000 + offset, offset, record.encoded())
        self.records[partition].append(counted)
        return counted

    def ranges_from_zero(self) -> dict[int, tuple[int, int]]:
        """Everything that was delivered, as ranges of offsets."""
        return {partition: (0, end) for partition, end in self.ends.items()}

    def deliver(self, live: LiveEnd, partition: int, count: int) -> None:
        """Show the next `count` records to the live end."""
        run = self.records[partition][self.ends[partition] : self.ends[partition] + count]
        if run:
            self.ends[partition] += len(run)
            live.delivered(partition, run, self.ends[partition])


def order_records(orders: Sequence[UUID], versions: int, customer_of: dict[UUID, str]) -> list[Record]:
    """Records of these orders in version order, each order's own interleaved with the others'."""
    records: list[Record] = []
    for version in range(1, versions + 1):
        for order in orders:
            customer = customer_of[order]
            records.append(created(order, customer_id=customer) if version == 1 else shipped(order, version=version, customer_id=customer))
    return records
