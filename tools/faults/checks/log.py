"""Invariants 1 to 4, per partition, from the raw topics. Pure."""

import uuid
from collections import Counter, defaultdict

from tools.faults.checks.findings import Findings
from tools.faults.checks.model import Model, difference
from tools.faults.checks.raw_log import Command, Entry, ReadCommands, ReadLog, json_object


def check_log(commands: ReadCommands, log: ReadLog, findings: Findings) -> None:
    """One partition of both topics."""
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
    """A void record of a command that has another: the same code decided it again, so the bytes are the same."""
    values = {entry.envelope["command_id"]: entry.value for entry in log.counting}
    for record in log.void:
        message = json_object(record.value) or {}
        counting = values.get(message.get("command_id", ""))
        if counting is not None:
            place = f"order-events/{record.partition}/{record.offset}"
            findings.expect("4", record.value == counting, "decided again, differently", message.get("order_id"), place)


def _decisions(firsts: dict[str, Command], counting: list[Entry], findings: Findings) -> None:
    """Every record against the rules as the kit has them, on the state that the records before it give."""
    model = Model()
    for entry in counting:
        command = firsts.get(entry.envelope["command_id"])
        if command is not None:
            expected = model.expected(command)
            wrong = difference(expected, entry.envelope)
            findings.expect("4", wrong is None, f"decided wrongly: {wrong}", command.order_id, entry.place)
        model.apply(entry)
