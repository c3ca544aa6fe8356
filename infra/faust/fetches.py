"""What a Faust agent of ours is handed: whole fetches, and the contract of the handler that works them off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import ConsumerRecord

Records = Mapping[int, Sequence[ConsumerRecord]]
"""Per partition, records in the order of their offsets."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One fetch of a topic, or, without records, a tick: one comes at least every second, so that a new assignment is noticed."""

    generation: int
    assigned: frozenset[int]
    openings: Mapping[int, int]
    records: Records = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a fetch: per partition the next offset, where everything below is done for good.

    `reopen`: partitions that must be read again from another offset, because the records did not begin at the next one.
    `closed`: partitions that are not to be read further until they are assigned anew (a later release's message).
    """

    done: Mapping[int, int] = field(default_factory=dict)
    reopen: Mapping[int, int] = field(default_factory=dict)
    closed: frozenset[int] = frozenset()


class FetchHandler(Protocol):
    """A service's own part. An exception that leaves one of these methods ends the process."""

    async def assigned(self, partitions: frozenset[int]) -> Mapping[int, int]:
        """Take over exactly these partitions; all earlier state is stale. Returns where to go on, by partition."""
        ...

    async def handle(self, records: Records) -> Progress:
        """Work off one fetch of opened partitions. Called one at a time, also with no records, as a tick."""
        ...
