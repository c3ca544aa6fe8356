"""What became of each command: accepted or rejected, why, and where its record stands. Pure."""

from datetime import datetime
from typing import NamedTuple, assert_never
from uuid import UUID

from event_schemas.events import COMMAND_OF_EVENT, CommandRejectedRecord, OrderCancelledRecord, OrderCreatedRecord, OrderShippedRecord
from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Key, TableDefinition


class CommandOutcome(NamedTuple):
    """One command's end. `occurred_at` is the command's own time, `appended_ms` the log's, in milliseconds since 1970."""

    command_id: UUID
    record_id: UUID
    order_id: UUID
    customer_id: str | None
    type: str
    status: str
    code: str | None
    detail: str | None
    version: int
    partition: int
    record_offset: int
    command_offset: int
    correlation_id: str
    occurred_at: datetime
    appended_ms: int


def key_of(counted: RecordedMessage) -> Key | None:
    """The command that ended in this record."""
    return (counted.record.command_id,)


def evolve(row: CommandOutcome | None, counted: RecordedMessage) -> CommandOutcome | None:
    """The outcome that this record is."""
    del row  # one command, one record
    record = counted.record
    match record:
        case OrderCreatedRecord() | OrderShippedRecord() | OrderCancelledRecord():
            status, code, detail, kind = "accepted", None, None, COMMAND_OF_EVENT[record.type]
        case CommandRejectedRecord(data=rejection):
            status, code, detail = "rejected", _storable(rejection.code), _storable(rejection.detail)
            kind = _storable(rejection.command_type)
        case _ as unexpected:
            assert_never(unexpected)
    # In the order of the fields: by their names it takes twice as long, and every replay makes one of every record.
    return CommandOutcome(
        record.command_id,
        record.id,
        record.order_id,
        record.data.customer_id,
        kind,
        status,
        code,
        detail,
        record.version,
        counted.partition,
        counted.offset,
        counted.command_offset,
        _storable(record.correlation_id),
        record.occurred_at,
        counted.timestamp_ms,
    )


def _storable(text: str) -> str:
    """Free text of an envelope: a fold takes every record that counts, and PostgreSQL takes every character but NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


TABLE = TableDefinition(
    name="command_outcomes",
    row=CommandOutcome,
    columns={
        "command_id": "uuid",
        "record_id": "uuid",
        "order_id": "uuid",
        "customer_id": "text",
        "type": "text",
        "status": "text",
        "code": "text",
        "detail": "text",
        "version": "integer",
        "partition": "integer",
        "record_offset": "bigint",
        "command_offset": "bigint",
        "correlation_id": "text",
        "occurred_at": "timestamptz",
        "appended_ms": "bigint",
    },
    key=("command_id",),
    key_of=key_of,
    evolve=evolve,
    indexes=(("correlation_id",),),
    one_record_a_row=True,
)
