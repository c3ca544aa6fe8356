"""Looking up a command in `order-commands` by its place, and its record in the part of the log that no table holds."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from aiokafka import ConsumerRecord

from event_schemas.decoding import NewerSchema
from event_schemas.ids import record_id
from event_schemas.positions import CommandPlace
from event_schemas.recorded import RecordedMessage, classify, recorded_messages
from event_schemas.topics import COMMANDS, EVENTS
from infra.errors import BrokerAway
from infra.event_log.command_outcomes import RecentOutcomes
from infra.event_log.lookup import RecordReader
from infra.event_log.tail import LogTail

MOST_SEARCHED = 20_000
"""Records of one partition that are looked through for one request, about half a second."""
_BACKWARDS = 50
_KEPT = 1_000


class TooFar(Exception):
    """More of the log would have to be looked through than one request may cost; the text is for the client."""


@dataclass(frozen=True, slots=True)
class CommandAtPlace:
    """What stands at a place of `order-commands`. Without a readable id it is no command."""

    command_id: UUID | None
    order_id: UUID
    type: str


@dataclass(frozen=True, slots=True)
class DeletedCommand:
    """A command that was decided and deleted: the place no longer tells its id."""


class LogSearch:
    """What `GET /commands/{id}` asks of the log. Each raises BrokerAway when the brokers don't answer."""

    def __init__(self, tail: LogTail, outcomes: RecentOutcomes, reader: RecordReader) -> None:
        self._tail, self._outcomes, self._reader = tail, outcomes, reader
        # What stands at a place never changes, and a waiting request asks for it again and again.
        self._commands: OrderedDict[CommandPlace, CommandAtPlace] = OrderedDict()
        tail.on_replaced(self._commands.clear)

    async def command_at(self, place: CommandPlace) -> CommandAtPlace | DeletedCommand | None:
        """The command at this place, None when the topic does not go that far."""
        if not self._tail.ends:
            raise BrokerAway("the event log can't be read yet: is Kafka running?")
        if place.partition not in self._tail.ends:
            return None
        if place in self._commands:
            return self._commands[place]
        record = await self._reader.at(COMMANDS, place.partition, place.offset)
        if record is None:
            # Only decided commands are deleted.
            return DeletedCommand() if place.offset <= await self.decided_up_to(place.partition) else None
        self._commands[place] = found = _command(record)
        if len(self._commands) > _KEPT:
            self._commands.popitem(last=False)
        return found

    async def record_of(self, command_id: UUID, partition: int, start: int | None) -> RecordedMessage | None:
        """The command's record, if it stands in the log from `start` on; None: as far back as one request may look.

        Raises TooFar when there is more to look through than that.
        """
        end, remembered_from = self._tail.ends[partition], self._outcomes.holds_from(partition)
        if start is not None and (start >= end or (remembered_from is not None and remembered_from <= start)):
            return self._outcomes.recent(command_id)
        if start is not None and end - start > MOST_SEARCHED:
            raise TooFar(f"the read models are {end - start} records behind this command's partition: try again")
        begin = max(0, end - MOST_SEARCHED) if start is None else start
        return _find(command_id, await self._reader.between(EVENTS, partition, begin, end))

    async def decided_up_to(self, partition: int) -> int:
        """The offset of the last command of this partition that was decided, -1 when none was."""
        known = self._outcomes.decided_up_to(partition)
        end, width = self._tail.ends[partition], _BACKWARDS
        while known is None and end > 0:
            start = max(0, end - width)
            read = list(recorded_messages(await self._reader.between(EVENTS, partition, start, end)))
            if read:
                self._outcomes.note_decided(partition, read[-1].command_offset)
            end, width = start, width * 2
            known = self._outcomes.decided_up_to(partition)
        return -1 if known is None else known


def _command(record: ConsumerRecord) -> CommandAtPlace:
    try:
        message = orjson.loads(record.value or b"")
        return CommandAtPlace(UUID(message["id"]), UUID(message["order_id"]), str(message["type"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return CommandAtPlace(None, UUID(int=0), "unknown")


def _find(command_id: UUID, records: Sequence[ConsumerRecord]) -> RecordedMessage | None:
    text = str(record_id(command_id)).encode()
    for record in records:
        if text in (record.value or b""):
            try:
                verdict = classify(record)
            except NewerSchema:
                continue
            if isinstance(verdict, RecordedMessage) and verdict.record.command_id == command_id:
                return verdict
    return None
