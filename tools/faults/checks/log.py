"""Invariants 1 to 4, per partition, from the raw topics; the rules of the orders are written down a second time. No I/O of its own."""

import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from tools.faults.checks.findings import Findings
from tools.faults.checks.raw_log import Command, Entry, ReadCommands, ReadLog, json_object

_TIMES = {"occurred_at", "ordered_at", "shipped_at", "cancelled_at"}
_MARK = {"CreateOrder": "reference", "ShipOrder": "tracking_number", "CancelOrder": "reason"}
_WRITTEN = {"OrderCreated": 2}
"""The version that is written, where it is not 1."""
_STATUS = {"OrderCreated": "created", "OrderShipped": "shipped", "OrderCancelled": "cancelled"}
"""What an order is after each event."""
_FREE = {"detail"}
"""Texts for people: only their presence is promised."""


def check_log(commands: ReadCommands, log: ReadLog, findings: Findings) -> None:
    """Check one partition of both topics."""
    firsts = commands.firsts()
    _one_record_each(firsts, log.counting, findings)
    _versions(log.counting, findings)
    _order(commands, firsts, log.counting, findings)
    _ids(log.counting, findings)
    _decided_alike(log, findings)
    _decisions(firsts, log.counting, findings)


def _one_record_each(firsts: dict[str, Command], counting: list[Entry], findings: Findings) -> None:
    times = Counter(entry.envelope["command_id"] for entry in counting)
    for command in firsts.values():
        found = times.pop(command.id, 0)
        what = "lost: a command has no record" if found == 0 else f"doubled: a command has {found} records that count"
        findings.expect("1", found == 1, f"{what} ({command.id})", command.order_id, command.place)
    for command_id in times:
        places = ", ".join(entry.place for entry in counting if entry.envelope["command_id"] == command_id)
        findings.add("1", f"a record of a command that is not in the topic ({command_id})", None, places)


def _versions(counting: list[Entry], findings: Findings) -> None:
    versions: dict[str, int] = defaultdict(int)
    for entry in counting:
        order_id, version = entry.envelope["order_id"], entry.envelope["version"]
        expected = versions[order_id] + (entry.rejected_as is None)
        findings.expect("2", version == expected, f"version {version} where {expected} is due", order_id, entry.place)
        versions[order_id] = version if entry.rejected_as is None else versions[order_id]


def _order(commands: ReadCommands, firsts: dict[str, Command], counting: list[Entry], findings: Findings) -> None:
    there = {command.offset: command.id for command in commands.commands}
    last = -1
    for entry in counting:
        order_id, command_id = entry.envelope["order_id"], entry.envelope["command_id"]
        what = f"the record of the command at {entry.command_offset} stands behind that of the one at {last}"
        findings.expect("3", entry.command_offset > last, what, order_id, entry.place)
        last = max(last, entry.command_offset)
        found = there.get(entry.command_offset)
        if found != command_id:
            findings.add("3", f"names command {command_id} at {entry.command_offset}, where {found} stands", order_id, entry.place)
        elif firsts[command_id].offset != entry.command_offset:
            what = f"decided where the command came again ({entry.command_offset}), not where it came first ({firsts[command_id].offset})"
            findings.add("3", what, order_id, entry.place)


def _ids(counting: list[Entry], findings: Findings) -> None:
    for entry in counting:
        wanted = str(uuid.uuid5(uuid.UUID(entry.envelope["command_id"]), "record"))
        findings.expect("4", entry.envelope["id"] == wanted, f"id is not {wanted}", entry.envelope["order_id"], entry.place)


def _decided_alike(log: ReadLog, findings: Findings) -> None:
    """Check void records of commands with another record: the same code decided again, so the bytes are the same."""
    values = {entry.envelope["command_id"]: entry.value for entry in log.counting}
    for record in log.void:
        message = json_object(record.value) or {}
        counting = values.get(message.get("command_id", ""))
        if counting is not None:
            place = f"order-events/{record.partition}/{record.offset}"
            findings.expect("4", record.value == counting, "decided again, differently", message.get("order_id"), place)


def _decisions(firsts: dict[str, Command], counting: list[Entry], findings: Findings) -> None:
    """Check every record against the rules as the kit has them, on the state that the records before it give."""
    model = Model()
    for entry in counting:
        command = firsts.get(entry.envelope["command_id"])
        if command is not None:
            expected = model.expected(command)
            wrong = difference(expected, entry.envelope)
            findings.expect("4", wrong is None, f"decided wrongly: {wrong}", command.order_id, entry.place)
        model.apply(entry)


@dataclass
class _Order:
    created: dict[str, Any]
    version: int = 1
    status: str = "created"


@dataclass
class Model:
    """The orders of one partition, as its records tell."""

    orders: dict[str, _Order] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def expected(self, command: Command) -> dict[str, Any]:
        """The whole envelope in which this command, which was not decided before, must end."""
        message, order = command.message, self.orders.get(command.order_id)
        code = self._code(message, order)
        version = order.version if order else 0
        envelope = {
            "id": str(uuid.uuid5(uuid.UUID(command.id), "record")),
            "order_id": command.order_id,
            "command_id": command.id,
            "correlation_id": message["correlation_id"],
            "occurred_at": message["issued_at"],
            "actor": message["actor"],
            **({"key_hash": message["key_hash"]} if message.get("key_hash") else {}),
        }
        if code is None:
            event, data = _event(message, order)
            return {**envelope, "type": event, "schema_version": _WRITTEN.get(event, 1), "version": version + 1, "data": data}
        customer = message["data"].get("customer_id") if message["type"] == "CreateOrder" else order and order.created["customer_id"]
        data = {"code": code, "detail": "", "command_type": message["type"], **({"customer_id": customer} if customer else {})}
        return {**envelope, "type": "CommandRejected", "schema_version": 1, "version": version, "data": data}

    def apply(self, entry: Entry) -> None:
        """Take the record that the log has, also when it is not the expected one, so that one fault is told once."""
        envelope = entry.envelope
        if envelope.get("key_hash"):
            self.keys.add(envelope["key_hash"])
        if envelope["type"] == "OrderCreated":
            self.orders[envelope["order_id"]] = _Order(envelope["data"])
        elif entry.rejected_as is None and envelope["order_id"] in self.orders:
            order = self.orders[envelope["order_id"]]
            order.version, order.status = envelope["version"], _STATUS[envelope["type"]]

    def _code(self, message: dict[str, Any], order: _Order | None) -> str | None:
        """The code with which the command is refused, None when it is not."""
        if message.get("key_hash") in self.keys:
            return "idempotency_key_reused"
        mark = message["data"].get(_MARK.get(message["type"], ""))
        if message["type"] not in _MARK or not isinstance(mark, str | None) or (mark is None and message["type"] != "CreateOrder"):
            return "invalid_command"
        if message["type"] == "CreateOrder":
            return None if order is None else "already_exists"
        if order is None:
            return "order_not_found"
        if message.get("expected_version") not in {None, order.version}:
            return "version_conflict"
        return None if order.status == "created" else f"already_{order.status}"


def _event(message: dict[str, Any], order: _Order | None) -> tuple[str, dict[str, Any]]:
    wanted = message["data"]
    created = order.created if order else {}
    match message["type"]:
        case "CreateOrder":
            total = sum((line["quantity"] * Decimal(line["unit_price"]) for line in wanted["lines"]), Decimal(0))
            units = sum(line["quantity"] for line in wanted["lines"])
            channel = {"sales_channel": "unknown"} if message["schema_version"] == 1 else {}
            return "OrderCreated", {**wanted, **channel, "units": units, "total": format(total, "f")}
        case "ShipOrder":
            return "OrderShipped", {"customer_id": created["customer_id"], **wanted, "shipped_at": message["issued_at"]}
        case "CancelOrder":
            kept = {name: created[name] for name in ("customer_id", "ordered_at", "currency", "units", "total")}
            return "OrderCancelled", {**kept, **wanted, "cancelled_at": message["issued_at"]}
        case unknown:
            raise ValueError(f"the kit has no rule for {unknown}")


def difference(expected: dict[str, Any], found: dict[str, Any], path: str = "") -> str | None:
    """The first field that is not as expected, None when all are. A later release may have added others: readers ignore those."""
    for name in sorted(expected):
        wanted, there = expected.get(name), found.get(name)
        if isinstance(wanted, dict) and isinstance(there, dict):
            inner = difference(wanted, there, f"{path}{name}.")
            if inner:
                return inner
        elif name in _FREE:
            if not there:
                return f"{path}{name} is empty"
        elif not _same(name, wanted, there):
            return f"{path}{name} is {there!r}, not {wanted!r}"
    return None


def _same(name: str, wanted: Any, there: Any) -> bool:
    if name in _TIMES and isinstance(wanted, str) and isinstance(there, str):
        return datetime.fromisoformat(wanted) == datetime.fromisoformat(there)
    return bool(wanted == there)
