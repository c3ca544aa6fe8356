"""The vocabulary of the decider's tests: `given(created, shipped).when(cancel()).then_rejected(Code.ALREADY_SHIPPED)`."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from event_schemas.codes import Code
from event_schemas.commands import CancelOrder, Command, CreateOrder, InvalidCommand, Line, ShipOrder
from event_schemas.events import CommandRejected, Record
from event_schemas.registry import new_command
from order_aggregate.partition_state import PartitionState

ORDER = UUID("6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TEA = Line(sku="tea", quantity=2, unit_price="4.50")


@dataclass(frozen=True)
class Envelope:
    """What commands of the tests have in common; change a part with `replace`."""

    order_id: UUID = ORDER
    key_hash: str | None = None
    expected_version: int | None = None

    def fields(self) -> dict[str, Any]:
        command_id = uuid4()
        return {
            "command_id": command_id,
            "order_id": self.order_id,
            "key_hash": self.key_hash,
            "expected_version": self.expected_version,
            "correlation_id": str(command_id),
            "issued_at": NOON,
            "actor": "anonymous",
        }


def create(*lines: Line, customer_id: str = "ada", sales_channel: str | None = None, envelope: Envelope | None = None) -> Command:
    data = CreateOrder(customer_id=customer_id, currency="EUR", lines=lines or (TEA,), ordered_at=NOON, sales_channel=sales_channel)
    return new_command(data, **(envelope or Envelope()).fields())


def ship(tracking_number: str = "1Z999", envelope: Envelope | None = None) -> Command:
    return new_command(ShipOrder(tracking_number=tracking_number), **(envelope or Envelope()).fields())


def cancel(reason: str = "too late", envelope: Envelope | None = None) -> Command:
    return new_command(CancelOrder(reason=reason), **(envelope or Envelope()).fields())


def invalid(problem: str = "data.lines: must not be empty", envelope: Envelope | None = None) -> InvalidCommand:
    fields = (envelope or Envelope()).fields()
    del fields["expected_version"]
    return InvalidCommand(id=fields.pop("command_id"), type="CreateOrder", problem=problem, **fields)


class Decided:
    """The record in which a command ended."""

    def __init__(self, record: Record | None) -> None:
        self.record = record

    def then(self, event_type: str, *, version: int) -> Record:
        assert self.record is not None
        assert (self.record.type, self.record.version) == (event_type, version)
        return self.record

    def then_rejected(self, code: Code, *, version: int | None = None) -> Record:
        assert self.record is not None
        assert isinstance(self.record.data, CommandRejected), self.record
        assert self.record.data.code == code
        assert version is None or self.record.version == version
        return self.record

    def then_nothing(self) -> None:
        assert self.record is None


class Given:
    """A partition on which these commands were decided."""

    def __init__(self, *commands: Command) -> None:
        self.partition = PartitionState()
        for command in commands:
            self.partition.decide(command)

    def when(self, command: Command | InvalidCommand) -> Decided:
        decided = self.partition.decide(command)
        return Decided(decided and decided.record)


def given(*commands: Command) -> Given:
    return Given(*commands)


def keyed(key: str, **changes: object) -> Envelope:
    """An envelope whose Idempotency-Key hashes to something made of `key`."""
    return replace(Envelope(key_hash=key.encode().hex().ljust(64, "0")[:64]), **changes)  # type: ignore[arg-type]
