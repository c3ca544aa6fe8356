"""How `GET /commands/{id}` shows a command: from its outcome in the read models, from its record in the log, or pending."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from event_schemas.recorded import RecordedMessage
from projections.queries.read_snapshot import Snapshot
from projections.queries.sql import find_outcome
from projections.queries.views import CommandView, Visibility
from projections.store.parked import parked_tables
from projections.tables import command_outcomes
from projections.tables.command_outcomes import CommandOutcome
from projections.tables.registry import TABLES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def command_view(snapshot: Snapshot, *, command_id: UUID) -> CommandView | None:
    """The command's end; None when the read models know of none, which does not mean that there is none."""
    outcome = await find_outcome(snapshot, command_id)
    if outcome is None:
        return None
    place = (outcome.partition, outcome.record_offset)
    parked = await parked_tables(snapshot.connection, snapshot.schema, outcome.order_id, record=place)
    return outcome_view(snapshot, outcome, parked)


def outcome_view(snapshot: Snapshot, outcome: CommandOutcome, parked: Collection[str] = ()) -> CommandView:
    """An outcome that the read models hold. `parked`: those that could not take its record, or not yet."""
    # All tables of a generation are written in one transaction: what one holds, all hold or hold back.
    projections: Visibility = {table.name: "parked" if table.name in parked else "visible" for table in TABLES}
    unreadable: Visibility = dict.fromkeys(snapshot.unreadable, "behind")
    return _view(outcome, snapshot.token_after(outcome.partition, outcome.record_offset), {**projections, **unreadable})


def view_behind(counted: RecordedMessage, token: str) -> CommandView:
    """An outcome that only the log holds as yet. `token`: its position."""
    outcome = command_outcomes.evolve(None, counted)
    assert outcome is not None  # every record ends a command
    return _view(outcome, token, _nowhere())


def pending_view(command_id: UUID, order_id: UUID, command_type: str) -> CommandView:
    """A command that stands in the topic and was not decided yet."""
    return CommandView(
        command_id=command_id, order_id=order_id, type=command_type, status="pending", version=None, position=None, projections=_nowhere()
    )


def _nowhere() -> Visibility:
    return {table.name: "behind" for table in TABLES}


def _view(outcome: CommandOutcome, token: str, projections: Visibility) -> CommandView:
    return CommandView(
        command_id=outcome.command_id,
        order_id=outcome.order_id,
        type=outcome.type,
        status="rejected" if outcome.status == "rejected" else "accepted",
        code=outcome.code,
        detail=outcome.detail,
        version=outcome.version,
        position=token,
        record_id=outcome.record_id,
        correlation_id=outcome.correlation_id,
        occurred_at=outcome.occurred_at,
        appended_at=log_time(outcome.appended_ms),
        projections=projections,
    )


def log_time(since_1970_ms: int) -> datetime | None:
    """A time of the log's; None for one that no calendar has, for a producer may write any number."""
    try:
        return _EPOCH + timedelta(milliseconds=since_1970_ms)
    except OverflowError:
        return None
