"""The chain of a command: received, appended, decided, visible, each with the log's own time."""

from collections.abc import Sequence
from uuid import UUID

import orjson
from psycopg.rows import class_row

from event_schemas.positions import Position
from event_schemas.topics import COMMANDS
from infra.errors import BrokerAway
from projections.command_lookup.lookup import LogSide
from projections.command_lookup.status import log_time, outcome_view, view_behind
from projections.queries.read_models import Read, ReadModels
from projections.queries.read_snapshot import Snapshot
from projections.queries.request_parts import uuid_or_none
from projections.queries.sql import find_history
from projections.queries.views import CommandView, TraceItem
from projections.store.parked import parked_tables
from projections.tables.command_outcomes import TABLE, CommandOutcome

MOST = 100
"""Commands that one trace shows: the earliest of them."""

_OUTCOMES = """
select {columns} from {table} where command_id = any(%s) or correlation_id = %s
order by appended_ms, partition, record_offset limit %s
"""


class Traces:
    """Finds them for one process. Without `log`, only what the read models hold."""

    def __init__(self, reads: ReadModels, log: LogSide | None) -> None:
        self._reads, self._log = reads, log

    async def find(self, wanted: str) -> Read[Sequence[TraceItem]]:
        """By command id, order id or correlation id, in the order of the log's times. Raises Problem as any read."""
        known = uuid_or_none(wanted)

        async def stored(snapshot: Snapshot) -> list[tuple[CommandView, int, int]]:
            outcomes = await _find_outcomes(snapshot, wanted, known)
            return [(await _viewed(snapshot, outcome), outcome.partition, outcome.command_offset) for outcome in outcomes]

        read = await self._reads.read(stored)
        seen = {view.command_id for view, _, _ in read.found}
        found = [*read.found, *(one for one in self._remembered(wanted, known) if one[0].command_id not in seen)]
        return Read([await self._item(*one) for one in found[:MOST]], read.headers)

    def _remembered(self, wanted: str, known: UUID | None) -> list[tuple[CommandView, int, int]]:
        """What the log's end has brought: the read models may not hold it yet."""
        if self._log is None:
            return []
        asked = [
            one
            for one in self._log.outcomes.remembered()
            if one.record.correlation_id == wanted or known in (one.record.command_id, one.record.order_id)
        ]
        identity = self._log.tail.identity
        tokens = [Position.of(identity, {one.partition: one.offset + 1}).token() for one in asked]
        return [(view_behind(one, token), one.partition, one.command_offset) for one, token in zip(asked, tokens, strict=True)]

    async def _item(self, view: CommandView, partition: int, command_offset: int) -> TraceItem:
        try:
            command = await self._log.reader.at(COMMANDS, partition, command_offset) if self._log else None
        except BrokerAway:
            command = None
        return TraceItem(
            **view.model_dump(exclude={"occurred_at", "appended_at"}),
            received_at=view.occurred_at,
            appended_at=log_time(command.timestamp) if command is not None else None,
            decided_at=view.appended_at,
        )


async def _viewed(snapshot: Snapshot, outcome: CommandOutcome) -> CommandView:
    place = (outcome.partition, outcome.record_offset)
    return outcome_view(snapshot, outcome, await parked_tables(snapshot.connection, snapshot.schema, outcome.order_id, record=place))


async def _find_outcomes(snapshot: Snapshot, wanted: str, known: UUID | None) -> Sequence[CommandOutcome]:
    ids = [known] if known else []
    if known is not None:
        ids += [UUID(orjson.loads(entry.envelope)["command_id"]) for entry in await find_history(snapshot, known)]
    if "\0" in wanted:  # PostgreSQL refuses to look for it
        return []
    async with snapshot.connection.cursor(row_factory=class_row(CommandOutcome)) as cursor:
        return await (await cursor.execute(snapshot.on(_OUTCOMES, TABLE), (ids, wanted, MOST))).fetchall()
