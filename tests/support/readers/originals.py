"""Messages to change: the golden ones, and those of a few example orders, in every released version."""

import gzip
import json
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

import orjson

from event_schemas.commands import CancelOrder, Command, CommandData, CreateOrder, Line, ShipOrder
from event_schemas.registry import new_command
from tests.support.given import given
from tests.support.golden import golden_files
from tests.support.house import ROOT

_ORDERS = 40


def originals() -> list[tuple[str, bytes]]:
    """Topic and bytes of each."""
    golden = [(topic, path.read_bytes()) for topic in ("command", "record") for path in golden_files(topic)]
    # Most golden ids hold no letter, and a reader looks at such messages again. Both kinds are wanted.
    lettered = [(topic, value.replace(b'"00000000-0000-', b'"abcdef00-0000-')) for topic, value in golden]
    return golden + lettered + _examples()


def _examples() -> list[tuple[str, bytes]]:
    made = []
    with gzip.open(ROOT / "examples" / "cdnow_sample.ndjson.gz", "rt", encoding="utf-8") as lines:
        for number, line in zip(range(_ORDERS), lines, strict=False):
            made += _story(number, json.loads(line))
    return made


def _story(number: int, order: dict[str, object]) -> list[tuple[str, bytes]]:
    """An order that is placed, and then shipped or cancelled, sometimes twice."""
    lines = tuple(Line(**line) for line in order["lines"])  # type: ignore[attr-defined]
    ordered_at = datetime.fromisoformat(str(order["ordered_at"]))
    placed = CreateOrder(**{**order, "lines": lines, "ordered_at": ordered_at})  # type: ignore[arg-type]
    ended = ShipOrder(tracking_number=f"1Z{number}") if number % 2 else CancelOrder(reason="außer Haus ☕")
    commands = [_command(f"{number}-{step}", f"{number}", data, ordered_at) for step, data in enumerate((placed, ended, ended))]
    made = [("command", command.encoded()) for command in commands]
    for step in range(3 if number % 4 == 0 else 2):
        record = given(*commands[:step]).when(commands[step]).record
        assert record is not None
        made.append(("record", record.encoded()))
    return made + [(topic, earlier) for topic, value in made if (earlier := _of_version_1(value)) is not None]


def _command(name: str, order: str, data: CommandData, at: datetime) -> Command:
    return new_command(
        data,
        command_id=uuid5(NAMESPACE_OID, name),
        order_id=uuid5(NAMESPACE_OID, order),
        correlation_id=name,
        issued_at=at,
        actor="anonymous",
        key_hash=uuid5(NAMESPACE_OID, name).hex * 2,
        expected_version=None if isinstance(data, CreateOrder) else 1,
    )


def _of_version_1(value: bytes) -> bytes | None:
    message = orjson.loads(value)
    return orjson.dumps({**message, "schema_version": 1}) if message["schema_version"] == 2 else None
