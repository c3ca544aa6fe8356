"""Golden messages: fixed commands, and the records in which they end, as bytes that were committed once.

`python -m tests.support.golden` writes files that are missing and touches none that is there: what stands in a log can't be
changed afterwards, so neither can what says how it looks.
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from event_schemas.commands import Command, CreateOrder, CreateOrderCommand, InvalidCommand
from event_schemas.events import Record
from event_schemas.values import Line
from tests.support.given import NOON, cancel, create, given, invalid, keyed, ship

FOLDER = Path(__file__).parents[1] / "contract" / "golden"


@dataclass(frozen=True)
class Case:
    """A command on an order with this history. The record in which it ends follows from the two."""

    command: Command | InvalidCommand
    history: tuple[Command, ...] = ()

    def record(self) -> Record:
        """What today's code decides."""
        record = given(*self.history).when(self.command).record
        assert record is not None
        return record


def _fixed(command: Command | InvalidCommand, number: int) -> Command | InvalidCommand:
    """The same command under an id that stays, as if it had been sent by a client that names its requests."""
    return command.model_copy(update={"id": UUID(int=number, version=4), "correlation_id": f"golden-{number}"})


def _full_create() -> Command:
    lines = (Line(sku="tea", quantity=2, unit_price=Decimal("4.50")), Line(sku="Grüße ☕", quantity=100_000, unit_price=Decimal("0.3333")))
    data = CreateOrder(customer_id="ada", currency="JPY", lines=lines, ordered_at=NOON.replace(year=1997), reference="cart-17")
    return CreateOrderCommand(data=data, **keyed("golden").fields())


_CREATED = create()
CASES: dict[str, Case] = {
    "CreateOrder": Case(_fixed(_CREATED, 1)),
    "CreateOrder-with-everything": Case(_fixed(_full_create(), 2)),
    "ShipOrder": Case(_fixed(ship("1Z999"), 3), (_CREATED,)),
    "CancelOrder": Case(_fixed(cancel("too late"), 4), (_CREATED,)),
    "CancelOrder-with-expected-version": Case(_fixed(cancel(envelope=keyed("again", expected_version=1)), 5), (_CREATED,)),
    "ShipOrder-of-nothing": Case(_fixed(ship(), 6)),
    "ShipOrder-of-a-cancelled-order": Case(_fixed(ship(), 7), (_CREATED, cancel())),
    "CreateOrder-that-is-invalid": Case(_fixed(invalid(), 8)),
}
"""By name. Each gives `<name>.command.json` (but for the invalid one) and `<name>.record.json`."""


def golden_bytes() -> dict[str, bytes]:
    """What the files would hold if they were made today, by file name."""
    made = {}
    for name, case in CASES.items():
        if not isinstance(case.command, InvalidCommand):
            made[f"{name}.command.json"] = case.command.model_dump_json(exclude_none=True).encode()
        made[f"{name}.record.json"] = case.record().encoded()
    return made


def main() -> None:
    """Write the files that are missing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in golden_bytes().items():
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
