"""Dry runs: the aggregate's own rules on an order's history as the read models hold it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from event_schemas.codes import Code
from event_schemas.commands import Command
from event_schemas.decoding import decode_record
from event_schemas.positions import Position
from infra.event_log.command_outcomes import Outcome
from infra.event_log.tail import LogTail
from infra.http.problems import Problem
from infra.kafka.partitioner import partition_of
from order_aggregate.partition_state import PartitionState
from projections.queries.read_models import ReadModels
from projections.queries.sql import find_complete_history
from projections.tables.order_history import HistoryEntry

NOT_DECIDED = -1
"""In place of a command's offset: this one was never appended."""


@dataclass(frozen=True)
class DryRun:
    """See command_api.dry_run.Rehearse. An order's ids and keys all stand in its own history, so that this much is enough."""

    tail: LogTail
    reads: ReadModels

    async def __call__(self, command: Command) -> tuple[Outcome, str]:
        """Judge the command on everything that stands in the log now. Raises Problem when the read models don't hold that in time."""
        ends = self.tail.ends
        if not ends:
            raise Problem(Code.READ_MODEL_UNAVAILABLE, "the event log can't be read yet: try again", headers={"Retry-After": "1"})
        partition = partition_of(str(command.order_id), len(ends))
        position = Position.of(self.tail.identity, {partition: ends[partition]}).token()
        read = await self.reads.read(partial(find_complete_history, order_id=command.order_id, partition=partition), position=position)
        (history, held) = read.found
        if history is None:
            detail = "a record of this order is parked, so that its history is not complete: see the operator"
            raise Problem(Code.READ_MODEL_BEHIND, detail)
        return rehearse(command, history, partition), held


def rehearse(command: Command, history: Sequence[HistoryEntry], partition: int) -> Outcome:
    """What `decide` says after this history. Pure. For a command that stands in it, what was decided then."""
    state = PartitionState()
    for entry in history:
        record = decode_record(entry.envelope.encode())
        if record.command_id == command.id:
            return Outcome.of_record(record, partition, entry.record_offset, 0)
        state.apply(record, offset=entry.record_offset, command_offset=0, value=None)
    decided = state.decide(command)
    assert decided is not None  # the command is not in the history
    return Outcome.of_record(decided.record, partition, NOT_DECIDED, NOT_DECIDED)
