"""What the client was told against what the topics hold: invariant 1 by the 202s, the promises about keys, and the answers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from tools.faults.checks.findings import Findings
from tools.faults.checks.raw_log import Command, Entry
from tools.faults.load.workload import MARKED_BY, Sent

Decided = Mapping[str, list[Entry]]
"""By command id, the records that count."""
_MARKS = tuple(MARKED_BY.values())


def check_client(history: Iterable[Sent], commands: Iterable[Command], decided: Decided, findings: Findings) -> None:
    """Check the whole history against all partitions."""
    by_marker = _by_marker(commands)
    history = list(history)
    for sent in history:
        _answer(sent, decided, findings)
        _effect(sent, by_marker.get(sent.intent.marker, set()), findings)
    _same_ids(history, findings)
    _keys(history, by_marker, decided, findings)


def _by_marker(commands: Iterable[Command]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for command in commands:
        data = command.message.get("data")
        if isinstance(data, dict):
            for name in _MARKS:
                if isinstance(data.get(name), str):
                    found[data[name]].add(command.id)
    return found


def _answer(sent: Sent, decided: Decided, findings: Findings) -> None:
    if sent.refused is not None:
        findings.expect("answers", False, f"refused: {sent.refused}", sent.order_id, sent.intent.path)
    if sent.ending is None or sent.command_id is None:
        return
    records = decided.get(sent.command_id, [])
    what = f"answered, and has {len(records)} records that count ({sent.command_id})"
    findings.expect("1", len(records) == 1, what, sent.order_id, ", ".join(record.place for record in records))
    for record in records[:1]:
        found = record.envelope["order_id"]
        findings.expect("answers", found == sent.order_id, f"answered with another order than {found}", sent.order_id, record.place)
        if sent.ending != "pending":
            told = (sent.ending, sent.code, sent.version)
            is_so = ("rejected" if record.rejected_as else "accepted", record.rejected_as, record.envelope["version"])
            findings.expect("answers", told == is_so, f"answered {told}, recorded {is_so}", sent.order_id, record.place)


def _effect(sent: Sent, command_ids: set[str], findings: Findings) -> None:
    """Check that all attempts at one intent are one command, which is the one that the answer named."""
    if sent.ending is not None and sent.command_id not in command_ids:
        findings.add("1", f"answered with a command that is not in the topic ({sent.command_id})", sent.order_id, sent.intent.path)
    what = f"one request became several commands: {sorted(command_ids)}"
    findings.expect("keys", len(command_ids) <= 1, what, sent.order_id, sent.intent.path)


def _same_ids(history: Iterable[Sent], findings: Findings) -> None:
    first: dict[tuple[str, str | None], Sent] = {}
    for sent in history:
        if sent.intent.key is None or sent.command_id is None:
            continue
        earlier = first.setdefault((sent.intent.marker, sent.intent.if_match), sent)
        ids, before = (sent.command_id, sent.order_id), (earlier.command_id, earlier.order_id)
        findings.expect("keys", ids == before, f"the same key and body gave {ids} and {before}", sent.order_id, sent.intent.path)


def _keys(history: Iterable[Sent], by_marker: Mapping[str, set[str]], decided: Decided, findings: Findings) -> None:
    """Check that under one key the command decided first is judged, and every other one is rejected as reused."""
    scopes: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for sent in history:
        if sent.intent.scope is not None:
            scopes[sent.intent.scope] |= by_marker.get(sent.intent.marker, set())
    for command_ids in scopes.values():
        records = sorted((record for name in command_ids for record in decided.get(name, ())), key=lambda record: record.offset)
        for place, record in enumerate(records):
            reused = record.rejected_as == "idempotency_key_reused"
            what = "another request under a used key was not rejected" if place else "rejected as reused, though the first under its key"
            findings.expect("keys", reused == (place > 0), what, record.envelope["order_id"], record.place)
