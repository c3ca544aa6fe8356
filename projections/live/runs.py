"""What a worker may apply of what it was handed: pure, so that the rule can be tested without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiokafka import ConsumerRecord

from event_schemas.decoding import NewerSchema
from event_schemas.recorded import RecordedMessage, Undecodable, Void, classify
from infra.event_log.reader import first_record_digest
from infra.event_log.runs import run_from
from projections.store.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Run:
    """The unbroken run that starts exactly at a checkpoint, judged.

    `checkpoint` is the one after the run. `hole`: the records go on at a higher offset, so the partition must be read again.
    `newer`: the run ends before a record that a later release wrote; it says which.
    """

    checkpoint: Checkpoint
    counted: Sequence[RecordedMessage]
    undecodable: Sequence[tuple[ConsumerRecord, str]]
    hole: bool
    newer: str | None = None
    passed_by: Sequence[Void | Undecodable] = ()


def run_at(checkpoint: Checkpoint, records: Sequence[ConsumerRecord]) -> Run:
    """Classify what continues the checkpoint. Lower offsets are dropped; nothing is taken from the first hole on."""
    fitting, hole = run_from(checkpoint.next_offset, records)
    counted: list[RecordedMessage] = []
    undecodable: list[tuple[ConsumerRecord, str]] = []
    passed_by: list[Void | Undecodable] = []
    next_offset, newer = checkpoint.next_offset, None
    for record in fitting:
        try:
            classified = classify(record)
        except NewerSchema as error:
            newer = str(error)
            break
        if isinstance(classified, RecordedMessage):
            counted.append(classified)
        else:
            passed_by.append(classified)
            if isinstance(classified, Undecodable):
                undecodable.append((record, classified.reason))
        next_offset = record.offset + 1
    first = first_record_digest(fitting[0].value) if next_offset > 0 and checkpoint.next_offset == 0 else checkpoint.first_record
    after = replace(checkpoint, next_offset=next_offset, first_record=first)
    if counted:
        after = replace(after, last_record_offset=counted[-1].offset, last_record_id=counted[-1].record.id)
    return Run(after, counted, undecodable, hole and newer is None, newer, passed_by)
