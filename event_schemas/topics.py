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


MAX_COMMAND_BYTES = 1_048_588
"""`order-commands` takes batches of this size: Kafka's own default, stated so that a cluster's other default does not matter."""
RECORD_ROOM_BYTES = 64 * 1024
"""How much larger than its command a record may be. Its value repeats what the command says, and adds at most 4 KiB: what a
cancellation takes out of the sums, a rejection's reason, the names of fields. The rest is for what later releases add."""
MAX_RECORD_BYTES = MAX_COMMAND_BYTES + RECORD_ROOM_BYTES
"""No record of the log is larger, its key, headers and Kafka's own framing included."""
RECORD_HEADERS_BYTES = 2 * 1024
"""The part of it that is no value: key, `place`, `command_offset`, CloudEvents' headers, `traceparent`, framing; in all below 1.2 KiB."""
MAX_RECORD_VALUE_BYTES = MAX_RECORD_BYTES - RECORD_HEADERS_BYTES
"""A command whose record's value would be larger is rejected."""

LARGEST_BATCH = "max.message.bytes"
_KEPT_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_COMMANDS_KEPT = _KEPT_FOR_EVER | {LARGEST_BATCH: str(MAX_COMMAND_BYTES)}
# A record is larger than its command: what the commands' topic has taken, the log must take with what is added.
_EVENTS_KEPT = _KEPT_FOR_EVER | {LARGEST_BATCH: str(1_572_864)}
# A dead letter is as large as the largest record of the other topics, and its headers come on top.
_LETTERS_KEPT = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS), LARGEST_BATCH: str(2 * 1024 * 1024)}

TOPICS = (
    Topic(COMMANDS, "what clients ask for; decided commands are deleted after 7 days by the aggregate", _COMMANDS_KEPT),
    Topic(EVENTS, "the log: never compacted, never expired", _EVENTS_KEPT),
    Topic(DEAD_LETTERS, "bytes that no one can read, unchanged", _LETTERS_KEPT),
)
