"""Every record of every order, rejections too, as it stands in the log: the envelope's exact text, with its place. Pure."""

from typing import NamedTuple
from uuid import UUID

from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Integer, Key, TableDefinition


class HistoryEntry(NamedTuple):
    """One record. `envelope` is its value in the log, byte for byte."""

    order_id: UUID
    record_offset: int
    partition: Integer
    envelope: str


def key_of(counted: RecordedMessage) -> Key | None:
    """The order and the record's offset, so that one index holds an order's history in the order of the log."""
    return counted.record.order_id, counted.offset


def evolve(row: HistoryEntry | None, counted: RecordedMessage) -> HistoryEntry | None:
    """The record as history keeps it."""
    del row  # a record is written once
    return HistoryEntry(
        order_id=counted.record.order_id,
        record_offset=counted.offset,
        partition=counted.partition,
        envelope=counted.value.decode(),
    )


TABLE = TableDefinition(
    name="order_history",
    row=HistoryEntry,
    key=("order_id", "record_offset"),
    key_of=key_of,
    evolve=evolve,
    one_record_a_row=True,
)
