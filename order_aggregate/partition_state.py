"""One partition of the aggregate: a fold of its records that count. Pure; it never reads a clock or a topic."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from event_schemas.codes import Code
from event_schemas.commands import Command, CreateOrder, InvalidCommand
from event_schemas.events import CommandRejected, Record, RecordData
from event_schemas.registry import new_record
from event_schemas.topics import MAX_RECORD_VALUE_BYTES
from order_aggregate.decider import Rejection, decide, evolve
from order_aggregate.id_tables import IdSet, IdTable
from order_aggregate.order import NoOrder, OrderState
from order_aggregate.state_encoding import packed_state, unpacked_state


class Decided(NamedTuple):
    """A command's ending: the record, and its bytes, which are made once."""

    record: Record
    value: bytes


class PartitionState:
    """The orders of one partition, and where it goes on.

    `next_command`: the one command that may be decided next. `next_place`: the offset at which the next record will stand.
    `last_command`: id and offset of the last command with a record, None when there is none. `last_value`: the bytes that stand
    before the next place.
    """

    def __init__(self) -> None:
        self.next_command = 0
        self.next_place = 0
        self.last_command: tuple[UUID, int] | None = None
        self.last_value: bytes | None = None
        self._orders = IdTable()
        # Kept for ever: a command that comes again adds nothing, and a key names one command.
        self._decided = IdSet()
        self._keys = IdSet()

    def order(self, order_id: UUID) -> OrderState:
        """An order's present state."""
        return unpacked_state(self._orders.get(order_id.bytes))

    def decide(self, command: Command | InvalidCommand) -> Decided | None:
        """The record in which this command ends, taken in; None for a command that has its record already."""
        if not self._decided.add(command.id.bytes):
            return None
        order_key = command.order_id.bytes
        slot, packed = self._orders.find(order_key)
        state = unpacked_state(packed)
        key_used = command.key_hash is not None and not self._keys.add(_key_memory(command.key_hash))
        record = record_of(command, state, decide(command, state, key_used=key_used))
        value = record.encoded()
        if len(value) > MAX_RECORD_VALUE_BYTES:
            record = record_of(command, state, _too_large(len(value)))
            value = record.encoded()
        self._evolve(record, state, slot, order_key)
        return Decided(record, value)

    def apply(self, record: Record, *, offset: int, command_offset: int, value: bytes | None) -> None:
        """Fold one record of the log that counts."""
        self._decided.add(record.command_id.bytes)
        if record.key_hash is not None:
            self._keys.add(_key_memory(record.key_hash))
        order_key = record.order_id.bytes
        slot, packed = self._orders.find(order_key)
        self._evolve(record, unpacked_state(packed), slot, order_key)
        self.next_command = command_offset + 1
        self.last_command = (record.command_id, command_offset)
        self.pass_by(offset=offset, value=value)

    def pass_by(self, *, offset: int, value: bytes | None) -> None:
        """Fold one record of the log that does not count: it only takes a place."""
        self.next_place = offset + 1
        self.last_value = value

    def acknowledged(self, *, next_place: int, command_offset: int, command_id: UUID, value: bytes) -> None:
        """Note that what was decided is in the log and counts, up to this command, whose record is the last one before `next_place`."""
        self.next_place = next_place
        self.last_command = (command_id, command_offset)
        self.last_value = value

    def packed(self) -> tuple[bytes, ...]:
        """The orders, commands and keys as bytes, for `unpack`."""
        return (*self._orders.packed(), self._decided.packed(), self._keys.packed())

    def unpack(self, sections: Sequence[bytes]) -> None:
        """Take over what `packed` gave. Raises ValueError when these are no such bytes."""
        *orders, decided, keys = sections
        self._orders, self._decided, self._keys = IdTable(*orders), IdSet(decided), IdSet(keys)

    def _evolve(self, record: Record, state: OrderState, slot: int, order_key: bytes) -> None:
        after = evolve(state, record)
        if after is not state:
            assert not isinstance(after, NoOrder)  # no record takes an order away
            self._orders.put(slot, order_key, packed_state(after))


def _key_memory(key_hash: str) -> bytes:
    """What is remembered of an Idempotency-Key: half of its SHA-256, enough that no two keys meet by chance."""
    return bytes.fromhex(key_hash[:32])


def _too_large(size: int) -> Rejection:
    """What a command ends in when the log might not take its record: a command that can't end would stop its partition.

    Measured against what the code says, not what a broker is set to, so that deciding again gives the same bytes.
    """
    return Rejection(Code.INVALID_COMMAND, f"its record would have {size} bytes, more than the {MAX_RECORD_VALUE_BYTES} that the log takes")


def record_of(command: Command | InvalidCommand, state: OrderState, ending: RecordData | Rejection) -> Record:
    """The record in which a command ends. `state`: the order's before it."""
    version = state.version
    if isinstance(ending, Rejection):
        ending = CommandRejected(
            code=str(ending.code), detail=ending.detail, command_type=command.type, customer_id=_customer(command, state)
        )
    else:
        version += 1
    return new_record(
        ending,
        order_id=command.order_id,
        version=version,
        command_id=command.id,
        key_hash=command.key_hash,
        correlation_id=command.correlation_id,
        occurred_at=command.issued_at,
        actor=command.actor,
    )


def _customer(command: Command | InvalidCommand, state: OrderState) -> str | None:
    if isinstance(command, Command) and isinstance(command.data, CreateOrder):
        return command.data.customer_id
    return None if isinstance(state, NoOrder) else state.customer_id
