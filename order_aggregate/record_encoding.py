"""A decided record as Kafka bytes: key, value, and CloudEvents headers (binary content mode)."""

from aiokafka import ConsumerRecord

from event_schemas.encoding import value_bytes
from event_schemas.events import RECORD_TYPES, Record
from event_schemas.trace_context import TRACEPARENT, traceparent_of
from order_aggregate.record_appender import Outgoing

_SOURCE = b"/orders"
_SPEC = ("ce_specversion", b"1.0")
_SOURCE_HEADER = ("ce_source", _SOURCE)
_CONTENT_TYPE = ("content-type", b"application/json")
_TYPES = {name: ("ce_type", name.encode()) for name in RECORD_TYPES}


def encode(record: Record, value: bytes, command: ConsumerRecord) -> Outgoing:
    """The record that ends this command, whose bytes are `value`. The same record of the same command gives the same headers."""
    order_id = command.key  # checked to be the order's id before it was decided
    headers: tuple[tuple[str, bytes], ...] = (
        _SPEC,
        ("ce_id", value_bytes(record.id)),
        _SOURCE_HEADER,
        _TYPES[record.type],
        ("ce_subject", order_id),
        ("ce_time", value_bytes(record.occurred_at)),
        _CONTENT_TYPE,
    )
    if command.headers and (trace := traceparent_of(command.headers)):
        headers += ((TRACEPARENT, trace),)
    return Outgoing(order_id, value, record.command_id, command.offset, headers)
