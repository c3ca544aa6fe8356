"""Every event of a round beside the one that its command must give: field by field, without the project's own types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import orjson
from aiokafka import ConsumerRecord

from event_schemas.recorded import header_number
from event_schemas.registry import RECORD_KINDS
from event_schemas.topics import COMMAND_OFFSET, PLACE

LOG_APPEND_TIME = 1
"""A record's kind of timestamp when the broker has set it."""


def expected_event(command: bytes) -> bytes:
    """The record's value that a CreateOrder command must end in, in a form that can be compared."""
    asked = orjson.loads(command)
    data = dict(asked["data"])
    data["units"] = sum(line["quantity"] for line in data["lines"])
    data["total"] = str(sum(line["quantity"] * Decimal(line["unit_price"]) for line in data["lines"]))
    event = {
        "id": str(uuid5(UUID(asked["id"]), "record")),
        "type": "OrderCreated",
        "schema_version": RECORD_KINDS["OrderCreated"].version,
        "order_id": asked["order_id"],
        "version": 1,
        "command_id": asked["id"],
        "key_hash": asked["key_hash"],
        "correlation_id": asked["correlation_id"],
        "occurred_at": asked["issued_at"],
        "actor": asked["actor"],
        "data": data,
    }
    return _comparable(event)


def _comparable(event: Any) -> bytes:
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS)


@dataclass
class Checked:
    """What was read back, and the times of its appends in seconds. `wanted`: the expected events by their order's id."""

    wanted: Mapping[bytes, bytes]
    events: int = 0
    wrong: int = 0
    appended_at: list[float] = field(default_factory=list)
    _seen: set[bytes] = field(default_factory=set)
    _last_command: dict[int, int] = field(default_factory=dict)

    def take(self, record: ConsumerRecord) -> None:
        """Check one record: its value, its key, that it counts, and that its command follows the one before."""
        self.events += 1
        self.appended_at.append(record.timestamp / 1000)
        command_offset = header_number(record.headers, COMMAND_OFFSET)
        right = (
            record.timestamp_type == LOG_APPEND_TIME
            and header_number(record.headers, PLACE) == record.offset
            and command_offset is not None
            and command_offset > self._last_command.get(record.partition, -1)
            and _comparable(orjson.loads(record.value)) == self.wanted.get(record.key)
        )
        self.wrong += not right
        self._last_command[record.partition] = command_offset or 0
        self._seen.add(record.key)

    @property
    def counts(self) -> dict[str, int]:
        """As the kit names them."""
        distinct = len(self._seen)
        twice, missing = self.events - distinct, len(self.wanted) - distinct
        return {"events": self.events, "distinct": distinct, "twice": twice, "wrong": self.wrong, "missing": missing}

    @property
    def ok(self) -> bool:
        """Whether every event is there, once, and right."""
        return self.events == len(self._seen) == len(self.wanted) and not self.wrong
