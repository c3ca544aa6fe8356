"""What those who POST and wait stand on: the log's end for what comes, the read models for what was decided before."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from event_schemas.positions import Position
from event_schemas.recorded import RecordedMessage
from gateway.past_outcomes import Past
from infra.event_log.command_outcomes import Outcome, Outcomes
from infra.event_log.tail import LogTail
from infra.http.problems import Problem
from infra.kafka.partitioner import partition_of
from projections.queries.read_models import ReadModels
from projections.queries.read_snapshot import Snapshot

_AGAIN_S = 0.1
"""Pause between two looks at read models that are away or behind."""


class GatewayFollower:
    """See command_api.waiting.Follower. Without `reads` nothing is known of the past, and nothing is ever visible."""

    def __init__(self, tail: LogTail, outcomes: Outcomes, reads: ReadModels | None) -> None:
        self._tail, self._outcomes, self._reads = tail, outcomes, reads
        self._past = Past(reads) if reads else None

    def is_ready(self) -> bool:
        """Whether the tail has found the log's end. Once it has, it goes on there through every outage."""
        return bool(self._tail.ends)

    async def ready(self) -> None:
        """Return once it has."""
        while not self.is_ready():  # noqa: ASYNC110 - only in the first moments of a process
            await asyncio.sleep(0.02)

    @contextmanager
    def expect(self, command_id: UUID, order_id: UUID) -> "Iterator[_Expected]":
        """Register for the record and note where its partition ends, with no await in between."""
        partition = partition_of(str(order_id), len(self._tail.ends))
        with self._outcomes.expect(command_id) as brought:
            yield _Expected(brought, partial(self._known, command_id, partition, self._tail.ends[partition]))

    async def _known(self, command_id: UUID, partition: int, end: int) -> Outcome | None:
        """The outcome if it stands before `end`."""
        recent = self._outcomes.recent(command_id)
        if recent is not None:
            return Outcome.of(recent)
        return await self._past.find(command_id, partition=partition, end=end) if end and self._past else None

    async def visible(self, outcome: Outcome) -> None:
        """Return once the read models hold the outcome."""
        while self._reads is not None:
            try:
                await self._reads.read(_nothing, position=self.position(outcome))
            except Problem:
                await asyncio.sleep(_AGAIN_S)
            else:
                return
        await asyncio.Event().wait()

    def position(self, outcome: Outcome) -> str:
        """The token of the outcome's record."""
        return Position.of(self._tail.identity, {outcome.partition: outcome.record_offset + 1}).token()


@dataclass(frozen=True, slots=True)
class _Expected:
    """See command_api.waiting.Expected."""

    brought: "asyncio.Future[RecordedMessage]"
    known: Callable[[], Coroutine[Any, Any, Outcome | None]]


async def _nothing(_: Snapshot) -> None:
    """That the snapshot holds the position is all that is asked."""
