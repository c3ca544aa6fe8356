"""The unbroken run of a partition's records that a reader may take. Pure."""

from collections.abc import Sequence
from typing import TypeVar

from event_schemas.recorded import KafkaRecord

RecordT = TypeVar("RecordT", bound=KafkaRecord)


def run_from(next_offset: int, records: Sequence[RecordT]) -> tuple[Sequence[RecordT], bool]:
    """The unbroken run that starts exactly at `next_offset`, and whether there was a hole.

    Lower offsets are dropped (done already); from the first hole on nothing is returned, and True says that the partition
    has to be read again from where the run ends.
    """
    expected = next_offset
    start: int | None = None
    for index, record in enumerate(records):
        if record.offset < next_offset:
            continue
        if record.offset != expected:
            return (records[start:index] if start is not None else ()), True
        if start is None:
            start = index
        expected += 1
    return (records[start:] if start is not None else ()), False
