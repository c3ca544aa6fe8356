"""Golden messages: fixed commands, and the records in which they end, as bytes that were committed once.

`python -m tests.support.golden` writes files that are missing and touches none that is there: what stands in a log can't be
changed afterwards, so neither can what says how it looks. `SHA256SUMS` lists them all. `folds.json` holds what each of them is folded
to, by the aggregate and by all tables; what is in it stays, too, and new columns come beside it.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from msgspec.structs import asdict, replace

from event_schemas.commands import Command, CreateOrder, InvalidCommand, Line
from event_schemas.decoding import decode_record
from event_schemas.events import Record
from event_schemas.registry import new_command
from order_aggregate.decider import evolve
from order_aggregate.order import NoOrder, OrderState
from projections.tables.registry import TABLES
from tests.support.fetched import counted_run
from tests.support.given import NOON, cancel, create, given, invalid, keyed, ship

FOLDER = Path(__file__).parents[1] / "contract" / "golden"
FOLDS = FOLDER / "folds.json"
_SUMS = FOLDER / "SHA256SUMS"


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
    return replace(command, id=UUID(int=number, version=4), correlation_id=f"golden-{number}")


def _full_create() -> Command:
    lines = (Line(sku="tea", quantity=2, unit_price="4.50"), Line(sku="Grüße ☕", quantity=100_000, unit_price="0.3333"))
    data = CreateOrder(
        customer_id="ada", currency="JPY", lines=lines, ordered_at=NOON.replace(year=1997), reference="cart-17", sales_channel="phone"
    )
    return new_command(data, **keyed("golden").fields())


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
"""By name. Each gives `<name>.command.json` (but for the invalid one) and `<name>.record.json`; from version 2 of a message on,
`<name>.v2.record.json` and so on, beside those of the versions before."""


def golden_bytes() -> dict[str, bytes]:
    """What the files would hold if they were made today, by file name."""
    made = {}
    for name, case in CASES.items():
        if not isinstance(case.command, InvalidCommand):
            made[_file(name, "command", case.command.schema_version)] = case.command.encoded()
        record = case.record()
        made[_file(name, "record", record.schema_version)] = record.encoded()
    return made


def _file(name: str, kind: str, version: int) -> str:
    return f"{name}.{kind}.json" if version == 1 else f"{name}.v{version}.{kind}.json"


def golden_files(kind: str) -> list[Path]:
    """The messages of this kind, `command` or `record`, of every version."""
    return sorted(FOLDER.glob(f"*.{kind}.json"))


@cache
def folds() -> dict[str, Any]:
    """What today's code folds each golden record to: alone if it creates an order, else after each golden one that does."""
    creations = [path for path in golden_files("record") if _type(path) == "OrderCreated"]
    stories = [[path] for path in creations]
    stories += [[first, path] for first in creations for path in golden_files("record") if path not in creations]
    return {" + ".join(path.name for path in story): _folded([path.read_bytes() for path in story]) for story in stories}


def _type(path: Path) -> str:
    return str(orjson.loads(path.read_bytes())["type"])


def _folded(log: list[bytes]) -> dict[str, Any]:
    state: OrderState = NoOrder()
    tables: dict[str, dict[Any, Any]] = {table.name: {} for table in TABLES}
    for counted in counted_run(log):
        state = evolve(state, decode_record(counted.value))
        for table in TABLES:
            key = table.key_of(counted)
            if key is not None:
                tables[table.name][key] = table.evolve(tables[table.name].get(key), counted)
    rows = {name: [row._asdict() for row in found.values() if row is not None] for name, found in tables.items()}
    aggregate = {"status": type(state).__name__, **asdict(state)}
    made: dict[str, Any] = json.loads(json.dumps({"aggregate": aggregate, "tables": rows}, default=str))
    return made


def sums() -> dict[str, str]:
    """The SHA-256 (hex) that each committed message had when it was committed, by file name."""
    return {name: digest for digest, name in (line.split("  ", 1) for line in _SUMS.read_text(encoding="utf-8").splitlines())}


def digest_of(path: Path) -> str:
    """What a file's line in `SHA256SUMS` says."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Write the files that are missing, list them, and add what is new among the folds."""
    for name, content in golden_bytes().items():
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(content)
    known = sums()
    listed = {path.name: known.get(path.name, digest_of(path)) for kind in ("command", "record") for path in golden_files(kind)}
    _SUMS.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted((known | listed).items())), encoding="utf-8")
    kept = json.loads(FOLDS.read_text(encoding="utf-8"))
    FOLDS.write_text(json.dumps(folds() | kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
