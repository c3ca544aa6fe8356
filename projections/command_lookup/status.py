"""How a command is shown: as it ended, by whichever source knows that, or pending."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from projections.queries.views import CommandView, Visibility
from projections.tables.command_outcomes import CommandOutcome
from projections.tables.registry import TABLES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOWHERE: Visibility = {table.name: "behind" for table in TABLES}
"""No read model shows the record yet."""


def decided_view(outcome: CommandOutcome, position: str, projections: Visibility) -> CommandView:
    """A command that ended. `position`: the token of its record."""
    return CommandView(
        command_id=outcome.command_id,
        order_id=outcome.order_id,
        type=outcome.type,
        status="rejected" if outcome.status == "rejected" else "accepted",
        code=outcome.code,
        detail=outcome.detail,
        version=outcome.version,
        position=position,
        record_id=outcome.record_id,
        correlation_id=outcome.correlation_id,
        occurred_at=outcome.occurred_at,
        appended_at=log_time(outcome.appended_ms),
        projections=projections,
    )


def pending_view(command_id: UUID, order_id: UUID, command_type: str) -> CommandView:
    """A command that stands in the topic and was not decided yet."""
    return CommandView(
        command_id=command_id, order_id=order_id, type=command_type, status="pending", version=None, position=None, projections=NOWHERE
    )


def log_time(since_1970_ms: int) -> datetime | None:
    """A time of the log; None for one that no calendar has: a producer may write any number."""
    try:
        return _EPOCH + timedelta(milliseconds=since_1970_ms)
    except OverflowError:
        return None
