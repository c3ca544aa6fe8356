"""Invariant 7: what a client of the feed holds by the client's own rule, against the records that match. No I/O of its own."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from event_schemas.positions import Position
from tools.faults.checks.findings import Findings
from tools.faults.checks.raw_log import Entry


@dataclass
class FeedMemory:
    """`start`: the first position that the feed confirmed. `orders`: per order the ids of the records held, in the order of coming.

    `broken`: what no feed may send, whatever a client drops.
    """

    start: str | None = None
    position: str | None = None
    orders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    repeats: int = 0
    connections: int = 0
    broken: list[str] = field(default_factory=list)
    _versions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _rejections: set[str] = field(default_factory=set)
    _seq: int = 0

    def begin(self) -> None:
        """Forget everything: a new subscription begins."""
        self.connections += 1
        self._seq = 0

    def take(self, frame: dict[str, Any]) -> None:
        """Take a frame."""
        match frame["type"]:
            case "subscribed":
                self.start = self.start or frame["position"]
                self.position = frame["position"]
            case "event":
                self._event(frame)
            case "caught_up" | "heartbeat":
                self.position = frame["position"]
            case "reset":
                self.broken.append(f"reset ({frame['reason']}) although the log is the same")
                self.position = frame["position"]
            case _:
                self.broken.append(f"unexpected frame: {frame}"[:300])

    @property
    def held(self) -> int:
        """Records held."""
        return sum(map(len, self.orders.values()))

    def _event(self, frame: dict[str, Any]) -> None:
        self._seq += 1
        if frame["seq"] != self._seq:
            self.broken.append(f"seq {frame['seq']} came where {self._seq} was due, on connection {self.connections}")
            self._seq = frame["seq"]
        self.position = frame["position"]
        event = frame["event"]
        if self._holds(event):
            self.repeats += 1
            return
        self.orders[event["order_id"]].append(event["id"])

    def _holds(self, event: dict[str, Any]) -> bool:
        if event["type"] == "CommandRejected":
            known = event["id"] in self._rejections
            self._rejections.add(event["id"])
        else:
            known = event["version"] in self._versions[event["order_id"]]
            self._versions[event["order_id"]].add(event["version"])
        return known


def expected_feed(wanted: Mapping[str, str], start: Mapping[int, int], counting: Mapping[int, Sequence[Entry]]) -> dict[str, list[str]]:
    """Per order the ids of the records that this filter lets through, from these offsets on."""
    orders: dict[str, list[str]] = defaultdict(list)
    for partition, entries in counting.items():
        for entry in entries:
            if entry.offset >= start.get(partition, 0) and _matches(wanted, entry):
                orders[entry.envelope["order_id"]].append(entry.envelope["id"])
    return dict(orders)


def _matches(wanted: Mapping[str, str], entry: Entry) -> bool:
    said = {"order_id": entry.envelope["order_id"], "customer_id": entry.envelope["data"].get("customer_id")}
    return all(said[name] == value for name, value in wanted.items())


def check_feed(
    name: str, wanted: Mapping[str, str], memory: FeedMemory, counting: Mapping[int, Sequence[Entry]], findings: Findings
) -> None:
    """Check one watcher."""
    if memory.start is None:
        findings.add("7", f"{name} was never subscribed")
        return
    for what in memory.broken:
        findings.add("7", f"{name}: {what}")
    start = Position.parse(memory.start).next_offsets
    expected = expected_feed(wanted, start, counting)
    for order_id in expected.keys() | memory.orders.keys():
        due, held = expected.get(order_id, []), memory.orders.get(order_id, [])
        findings.looked("7", len(due))
        if held != due:
            findings.add("7", f"{name}: {_how(due, held)}", order_id, _places(counting, set(due) ^ set(held)))


def _how(due: Sequence[str], held: Sequence[str]) -> str:
    if missing := [record for record in due if record not in held]:
        return f"{len(missing)} of {len(due)} records did not come, first {missing[0]}"
    if foreign := [record for record in held if record not in due]:
        return f"{len(foreign)} records came that don't belong there, first {foreign[0]}"
    return f"the records came in another order: {list(held)}, not {list(due)}"


def _places(counting: Mapping[int, Sequence[Entry]], record_ids: set[str]) -> str:
    return ", ".join(entry.place for entries in counting.values() for entry in entries if entry.envelope["id"] in record_ids)
