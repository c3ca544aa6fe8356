"""Records as a consumer hands them over, without a broker: what the projections' tests feed their worker."""

from collections.abc import Iterable, Sequence

import orjson
from aiokafka import ConsumerRecord

from event_schemas.events import Record
from event_schemas.recorded import RecordedMessage, classify
from event_schemas.topics import COMMAND_OFFSET, EVENTS, PLACE

APPENDED_MS = 1_769_860_800_000


def fetched(
    record: Record | bytes, offset: int, *, partition: int = 0, place: int | None = None, key: bytes | None = None
) -> ConsumerRecord:
    """One record of the log, in its place unless another is named; bytes stand there as they are."""
    value = record if isinstance(record, bytes) else record.encoded()
    if key is None:
        key = _key(record)
    named = offset if place is None else place
    headers = ((PLACE, str(named).encode()), (COMMAND_OFFSET, str(offset).encode()))
    return ConsumerRecord(EVENTS, partition, offset, APPENDED_MS + offset, 0, key, value, None, 0, len(value), headers)


def _key(record: Record | bytes) -> bytes | None:
    """The key with which a record stands in the log; bytes that are no record have none."""
    if not isinstance(record, bytes):
        return str(record.order_id).encode()
    try:
        return str(orjson.loads(record)["order_id"]).encode()
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None


def fetched_run(records: Iterable[Record | bytes], *, start: int = 0, partition: int = 0) -> list[ConsumerRecord]:
    """Records one after the other, from `start` on."""
    return [fetched(record, offset, partition=partition) for offset, record in enumerate(records, start)]


def counted_run(records: Iterable[Record | bytes], *, partition: int = 0) -> Sequence[RecordedMessage]:
    """The same, judged: all of them count."""
    verdicts = [classify(record) for record in fetched_run(records, partition=partition)]
    counting = [verdict for verdict in verdicts if isinstance(verdict, RecordedMessage)]
    assert len(counting) == len(verdicts)
    return counting
