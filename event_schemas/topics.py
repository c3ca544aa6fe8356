"""The topics: their names, their settings and the headers that stand in them."""

from dataclasses import dataclass, field

COMMANDS = "order-commands"
EVENTS = "order-events"
DEAD_LETTERS = "order-dead-letters"

PLACE = "place"
"""Header: the offset at which the writer of a record means it to stand (decimal text)."""
COMMAND_OFFSET = "command_offset"
"""Header: the offset of the record's command in the same partition of `order-commands` (decimal text)."""

AGGREGATE_GROUP = "order-aggregate"
"""The consumer group of the aggregate's workers; its committed offsets are for display only."""

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Topic:
    """A topic as it must be."""

    name: str
    purpose: str
    settings: dict[str, str] = field(default_factory=dict)


_KEPT_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

TOPICS = (
    Topic(COMMANDS, "what clients ask for; decided commands are deleted after 7 days by the aggregate", _KEPT_FOR_EVER),
    Topic(EVENTS, "the log: never compacted, never expired", _KEPT_FOR_EVER),
    Topic(
        DEAD_LETTERS,
        "bytes that no one can read, unchanged",
        # A dead letter is as large as the largest record of the other topics, and its headers come on top.
        {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS), "max.message.bytes": str(2 * 1024 * 1024)},
    ),
)
