"""A run without processes: commands decided by the product itself, and all that an honest run would leave. To be broken by tests."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from event_schemas.decoding import decode_command
from event_schemas.positions import LogIdentity, Position
from event_schemas.topics import COMMANDS, EVENTS
from order_aggregate.partition_state import PartitionState
from tools.faults.checks.expected_rows import KEYS, Row, expected_rows
from tools.faults.checks.findings import Findings
from tools.faults.checks.raw_log import Entry
from tools.faults.checks.raw_tables import Sample
from tools.faults.checks.raw_topics import RawRecord, TopicCopy
from tools.faults.checks.tables import RunningSums
from tools.faults.evidence import Evidence, judge_run
from tools.faults.load.feed_watcher import FeedWatcher, Habit
from tools.faults.load.noise_writer import Fate, Written, partition_of
from tools.faults.load.workload import MARKED_BY, Attempt, Ending, History, Intent, Kind, Sent

PARTITIONS = 2
_TYPES: dict[Kind, str] = {"create": "CreateOrder", "ship": "ShipOrder", "cancel": "CancelOrder"}
Headers = tuple[tuple[str, bytes], ...]


def _no_evidence() -> Evidence:
    commands, events, letters = (TopicCopy("", topic, PARTITIONS) for topic in ("c", "e", "d"))
    return Evidence(commands, events, letters)


@dataclass
class World:
    """What `send` and `write` leave is honest. `judge` gives the findings; `breaking` functions run once all is written, tables too."""

    history: History = field(default_factory=History)
    evidence: Evidence = field(default_factory=_no_evidence)
    written: list[Written] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    watchers: list[FeedWatcher] = field(default_factory=list)
    clock_ms: int = 1_750_000_000_000
    aggregates: dict[int, PartitionState] = field(default_factory=lambda: {number: PartitionState() for number in range(PARTITIONS)})

    # What happens

    def send(
        self, kind: Kind, marker: str, *, order_id: str | None = None, key: str | None = None, if_match: int | None = None, **body: Any
    ) -> Sent:
        """A command by HTTP, answered 202 and decided."""
        order_id = order_id or str(uuid.uuid5(uuid.NAMESPACE_OID, f"order {key or marker}"))
        path = "/orders" if kind == "create" else f"/orders/{order_id}/{kind}"
        content = {MARKED_BY[kind]: marker, **(_order() if kind == "create" else {}), **body}
        intent = Intent(marker, kind, path, content, key, None if if_match is None else f'"{if_match}"')
        sent = self.history.begin(intent)
        sent.command_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"command {path} {key} {marker} {if_match}"))
        sent.order_id, sent.ending = order_id, "pending"
        sent.attempts.append(Attempt("http://gateway", self.clock_ms / 1000, self.clock_ms / 1000, "202"))
        self.put_command(sent, content, if_match)
        return sent

    def put_command(self, sent: Sent, content: dict[str, Any], if_match: int | None = None) -> RawRecord:
        """Append the command of this request, and decide it."""
        intent = sent.intent
        issued_at = "2026-01-31T12:00:00Z"
        message = {
            "id": sent.command_id,
            "type": _TYPES[intent.kind],
            "schema_version": 1,
            "order_id": sent.order_id,
            "correlation_id": sent.command_id,
            "issued_at": issued_at,
            "actor": "anonymous",
            "data": {**({"ordered_at": issued_at} if intent.kind == "create" else {}), **content},
            **({"key_hash": _key_hash(intent)} if intent.key else {}),
            **({"expected_version": if_match} if if_match is not None else {}),
        }
        assert sent.order_id is not None
        command = self._append(COMMANDS, partition_of(sent.order_id, PARTITIONS), sent.order_id.encode(), json.dumps(message).encode())
        self.decide(command)
        return command

    def decide(self, command: RawRecord) -> None:
        """Let the product's aggregate decide what stands there."""
        decided = self.aggregates[command.partition].decide(decode_command(command.value))
        if decided is not None:
            self.append_record(command.partition, decided.value, command_offset=command.offset)

    def append_record(self, partition: int, value: bytes, *, command_offset: int, place: int | None = None) -> RawRecord:
        """Append a record at its place, or as one that names another."""
        place = len(self.events(partition)) if place is None else place
        headers = (("place", b"%d" % place), ("command_offset", b"%d" % command_offset), ("ce_type", b"x"))
        return self._append(EVENTS, partition, json.loads(value)["order_id"].encode(), value, headers)

    def write(self, fate: Fate, topic: str, partition: int, key: bytes, value: bytes) -> RawRecord:
        """Something by hand, which meets its fate."""
        self.written.append(Written(topic, partition, key, value, fate))
        record = self._append(topic, partition, key, value)
        if fate == "dead letter":
            self.letter(topic, record)
        elif fate == "invalid_command":
            self.decide(record)
        return record

    def letter(self, topic: str, record: RawRecord, **changed: Any) -> None:
        """The dead letter of this record."""
        own = {
            "dead_letter_reason": b"is no message",
            "dead_letter_topic": topic.encode(),
            "dead_letter_partition": b"%d" % record.partition,
            "dead_letter_offset": b"%d" % record.offset,
        }
        headers = (*record.headers, *own.items())
        letters = self.evidence.letters.partitions[0]
        letters.append(RawRecord(0, len(letters), self._tick(), record.key, record.value, headers)._replace(**changed))

    # What is left

    def events(self, partition: int) -> list[RawRecord]:
        return self.evidence.events.partitions[partition]

    def commands(self, partition: int) -> list[RawRecord]:
        return self.evidence.commands.partitions[partition]

    def counting(self) -> dict[int, list[Entry]]:
        self.evidence.sort_out()
        return self.evidence.counting

    def sample(self, behind: int = 0) -> Sample:
        """The sums as the tables would have them, `behind` records before the end."""
        counting = self.counting()
        sums = {p: RunningSums(counting[p]).at(max(0, len(self.events(p)) - behind)) for p in range(PARTITIONS)}
        self.samples.append(Sample(self._tick() / 1000, sums))
        return self.samples[-1]

    def watcher(self, start: int = 0, **wanted: str) -> FeedWatcher:
        """Someone who saw every record that matches, from this offset on."""
        watcher = FeedWatcher(Habit("watcher"), [], seed=0)
        watcher.wanted = wanted
        watcher.memory.begin()
        watcher.memory.take({"type": "subscribed", "position": position(start)})
        for entries in self.counting().values():
            for entry in entries:
                said = {"order_id": entry.envelope["order_id"], "customer_id": entry.envelope["data"].get("customer_id")}
                if entry.offset >= start and all(said[name] == value for name, value in wanted.items()):
                    show(watcher, entry)
        self.watchers.append(watcher)
        return watcher

    def judge(self, *breaking: Callable[[dict[str, list[Row]]], None]) -> Findings:
        """The findings, after the tables (of partition 0) were broken."""
        self.evidence.sort_out()
        for partition, entries in self.evidence.counting.items():
            rows = expected_rows(entries)
            self.evidence.checkpoints.setdefault(partition, len(self.events(partition)))
            self.evidence.tables[partition] = {table: [as_stored(row) for row in rows[table].values()] for table in KEYS}
        for broken in breaking:
            broken(self.evidence.tables[0])
        return judge_run(self.evidence, self.history.sent, self.watchers, self.samples, self.written)

    def _append(self, topic: str, partition: int, key: bytes, value: bytes, headers: Headers = ()) -> RawRecord:
        copy = (self.evidence.commands if topic == COMMANDS else self.evidence.events).partitions[partition]
        copy.append(RawRecord(partition, len(copy), self._tick(), key, value, headers))
        return copy[-1]

    def _tick(self) -> int:
        self.clock_ms += 10
        return self.clock_ms


def _order() -> dict[str, Any]:
    return {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}


def _key_hash(intent: Intent) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, str(intent.scope)).hex * 2


def position(start: int) -> str:
    """The token of a position at this offset of every partition."""
    return Position.of(LogIdentity(PARTITIONS), dict.fromkeys(range(PARTITIONS), start)).token()


def show(watcher: FeedWatcher, entry: Entry) -> None:
    """The feed sends this record."""
    memory = watcher.memory
    seq = memory._seq + 1
    memory.take({"type": "event", "seq": seq, "position": position(entry.offset + 1), "event": entry.envelope})


def as_stored(row: Row) -> Row:
    """A row as PostgreSQL would give it: amounts in JSON are text."""
    if "totals" not in row:
        return dict(row)
    totals = {currency: {"orders": sums["orders"], "total": str(sums["total"])} for currency, sums in row["totals"].items()}
    return {**row, "totals": totals}


def told(sent: Sent, ending: Ending, code: str | None = None, version: int | None = None) -> None:
    """The request was answered with its command's ending."""
    sent.ending, sent.code, sent.version = ending, code, version


def honest() -> World:
    """A world in which a good deal happened, on both partitions, all of it right."""
    world = World()
    for number in range(8):
        created = world.send("create", f"created-{number}", key=f"key-{number}" if number % 2 else None)
        assert created.order_id is not None
        if number % 3 == 0:
            world.send("ship", f"shipped-{number}", order_id=created.order_id, key="ship")
        if number % 2 == 0:
            world.send("cancel", f"cancelled-{number}", order_id=created.order_id, if_match=1)
        if number in {1, 3}:
            world.send("create", f"created-{number}", key=f"key-{number}")
            world.send("create", f"contradicted-{number}", key=f"key-{number}")
            world.sample()
    world.write("dead letter", COMMANDS, 0, b"by-hand-1", b"\xff")
    world.write("dead letter", EVENTS, 1, b"by-hand-2", b"{}")
    void = str(uuid.uuid5(uuid.NAMESPACE_OID, "void"))
    envelope = {**json.loads(world.events(0)[0].value or b""), "order_id": void, "command_id": void}
    world.write("void", EVENTS, 0, void.encode(), json.dumps(envelope).encode())
    for number in range(4):
        world.send("create", f"later-{number}", customer_id="grace", currency="JPY")
    world.sample(behind=2)
    world.sample()
    world.watcher()
    world.watcher(start=3)
    world.watcher(customer_id="grace")
    return world


def with_headers(record: RawRecord, **headers: bytes) -> RawRecord:
    """The record with other headers."""
    return record._replace(headers=tuple({**dict(record.headers), **headers}.items()))


def changed(record: RawRecord, **fields: Any) -> RawRecord:
    """The record with other fields in its envelope."""
    return record._replace(value=json.dumps({**json.loads(record.value or b""), **fields}).encode())


def change_data(record: RawRecord, **fields: Any) -> RawRecord:
    """The record with other fields in its data."""
    data = json.loads(record.value or b"")["data"]
    return changed(record, data={**data, **fields})


def find(world: World, kind: str, partition: int | None = None) -> tuple[list[RawRecord], int]:
    """The first counting record of this type: its partition's records, and where it is among them."""
    for number in range(PARTITIONS) if partition is None else [partition]:
        for entry in world.counting()[number]:
            if entry.envelope["type"] == kind:
                return world.events(number), entry.offset
    raise AssertionError(f"no {kind}")
