"""`GET /commands/{id}`: what became of a command, from its outcome in the read models."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from projections.command_outcomes import CommandOutcome
from projections.queries import find_outcome
from projections.snapshots import Snapshot
from projections.tables import TABLES
from projections.views import CommandView

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def command_view(snapshot: Snapshot, *, command_id: UUID | None) -> CommandView | None:
    """The command's end; None when the read models know of none, which does not mean that there is none."""
    outcome = await find_outcome(snapshot, command_id) if command_id else None
    return _view(snapshot, outcome) if outcome else None


def _view(snapshot: Snapshot, outcome: CommandOutcome) -> CommandView:
    return CommandView(
        command_id=outcome.command_id,
        order_id=outcome.order_id,
        type=outcome.type,
        status="rejected" if outcome.status == "rejected" else "accepted",
        code=outcome.code,
        detail=outcome.detail,
        version=outcome.version,
        position=snapshot.token_after(outcome.partition, outcome.record_offset),
        record_id=outcome.record_id,
        correlation_id=outcome.correlation_id,
        occurred_at=outcome.occurred_at,
        appended_at=_time(outcome.appended_ms),
        # All tables of a generation are written in one transaction: what one holds, all hold.
        projections={table.name: "visible" for table in TABLES},
    )


def _time(since_1970_ms: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=since_1970_ms)
    except OverflowError:  # a producer may write any number
        return None
