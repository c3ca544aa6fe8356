"""Every message of this release: the one declaration from which all tables of types follow. Pure.

To add a message, declare its data in `commands.py` or `events.py` and its kind here. A version is never removed: the steps from the
versions before the current one stay for ever, because their messages stay in the topics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Generic, TypeVar
from uuid import UUID

from event_schemas.commands import CancelOrder, Command, CommandData, CreateOrder, ShipOrder
from event_schemas.events import CommandRejected, OrderCancelled, OrderCreated, OrderShipped, Record, RecordData
from event_schemas.ids import record_id
from event_schemas.upcasters import Upcaster, placed_before_channels_were_asked

DataT_co = TypeVar("DataT_co", covariant=True)


@dataclass(frozen=True)
class MessageKind(Generic[DataT_co]):
    """A type of message. `steps`: its upcasters, from version 1 on."""

    data: type[DataT_co]
    steps: tuple[Upcaster, ...] = ()

    @property
    def name(self) -> str:
        """The type, as messages name it."""
        return self.data.__name__

    @property
    def version(self) -> int:
        """The version that this release writes, and the highest that it reads."""
        return len(self.steps) + 1


@dataclass(frozen=True)
class CommandKind(MessageKind[CommandData]):
    """A command. `creates`: it begins an order, so a client names no order in it."""

    creates: bool = False


@dataclass(frozen=True)
class RecordKind(MessageKind[RecordData]):
    """A record. `ends`: the command that ends in it; None for the rejection, in which any command may end."""

    ends: type[CommandData] | None = None


COMMANDS: tuple[CommandKind, ...] = (
    CommandKind(CreateOrder, steps=(placed_before_channels_were_asked,), creates=True),
    CommandKind(ShipOrder),
    CommandKind(CancelOrder),
)
RECORDS: tuple[RecordKind, ...] = (
    RecordKind(OrderCreated, ends=CreateOrder, steps=(placed_before_channels_were_asked,)),
    RecordKind(OrderShipped, ends=ShipOrder),
    RecordKind(OrderCancelled, ends=CancelOrder),
    RecordKind(CommandRejected),
)

COMMAND_KINDS: Mapping[str, CommandKind] = MappingProxyType({kind.name: kind for kind in COMMANDS})
RECORD_KINDS: Mapping[str, RecordKind] = MappingProxyType({kind.name: kind for kind in RECORDS})
"""By the type that messages name, in the order of the declaration."""
COMMAND_OF_EVENT: Mapping[str, str] = MappingProxyType({kind.name: kind.ends.__name__ for kind in RECORDS if kind.ends is not None})
_TYPE_AND_VERSION: Mapping[type, tuple[str, int]] = {kind.data: (kind.name, kind.version) for kind in (*COMMANDS, *RECORDS)}


def new_command(  # noqa: PLR0913  # the fields of the envelope, all by name
    data: CommandData,
    *,
    command_id: UUID,
    order_id: UUID,
    correlation_id: str,
    issued_at: datetime,
    actor: str,
    key_hash: str | None = None,
    expected_version: int | None = None,
) -> Command:
    """The command of the current version around its data. The values are taken as they are: the reader of a command checks them."""
    kind, version = _TYPE_AND_VERSION[type(data)]
    return Command(
        id=command_id,
        schema_version=version,
        order_id=order_id,
        key_hash=key_hash,
        expected_version=expected_version,
        correlation_id=correlation_id,
        issued_at=issued_at,
        actor=actor,
        type=kind,
        data=data,
    )


def new_record(  # noqa: PLR0913  # the fields of the envelope, all by name
    data: RecordData,
    *,
    order_id: UUID,
    version: int,
    command_id: UUID,
    correlation_id: str,
    occurred_at: datetime,
    actor: str,
    key_hash: str | None = None,
) -> Record:
    """The record of the current version around its data, from valid values."""
    kind, schema_version = _TYPE_AND_VERSION[type(data)]
    return Record(
        id=record_id(command_id),
        type=kind,
        schema_version=schema_version,
        order_id=order_id,
        version=version,
        command_id=command_id,
        key_hash=key_hash,
        correlation_id=correlation_id,
        occurred_at=occurred_at,
        actor=actor,
        data=data,
    )


def command_type(record: Record) -> str:
    """The type of the command that ended in this record."""
    return record.data.command_type if isinstance(record.data, CommandRejected) else COMMAND_OF_EVENT[record.type]
