"""What became of each command: accepted or rejected, why, and where its record stands. Pure."""

from datetime import datetime
from typing import NamedTuple, assert_never
from uuid import UUID

from event_schemas.events import CommandRejected, OrderCancelled, OrderCreated, OrderShipped
from event_schemas.recorded import RecordedMessage
from event_schemas.registry import COMMAND_OF_EVENT
from infra.postgres.table_definition import Integer, Key, TableDefinition


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
    version: Integer
    partition: Integer
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
    match record.data:
        case OrderCreated() | OrderShipped() | OrderCancelled():
            status, code, detail, kind = "accepted", None, None, COMMAND_OF_EVENT[record.type]
        case CommandRejected() as rejection:
            status, code, detail = "rejected", _storable(rejection.code), _storable(rejection.detail)
            kind = _storable(rejection.command_type)
        case _ as unexpected:
            assert_never(unexpected)
    return CommandOutcome(
        command_id=record.command_id,
        record_id=record.id,
        order_id=record.order_id,
        customer_id=record.data.customer_id,
        type=kind,
        status=status,
        code=code,
        detail=detail,
        version=record.version,
        partition=counted.partition,
        record_offset=counted.offset,
        command_offset=counted.command_offset,
        correlation_id=_storable(record.correlation_id),
        occurred_at=record.occurred_at,
        appended_ms=counted.timestamp_ms,
    )


def _storable(text: str) -> str:
    """Free text of an envelope: a fold takes every record that counts, and PostgreSQL takes every character but NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


TABLE = TableDefinition(
    name="command_outcomes",
    row=CommandOutcome,
    key=("command_id",),
    key_of=key_of,
    evolve=evolve,
    indexes=(("correlation_id",),),
    one_record_a_row=True,
)
