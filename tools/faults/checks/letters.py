"""Invariant 8: what was written by hand, and the dead letters. No I/O of its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from event_schemas.topics import COMMANDS, EVENTS
from tools.faults.checks.findings import Findings
from tools.faults.checks.raw_log import Entry, ReadCommands, ReadLog
from tools.faults.checks.raw_tables import Sample
from tools.faults.checks.raw_topics import RawRecord
from tools.faults.load.noise_writer import Written

Place = tuple[str, int, int]
_TOLERANCE_MS = 5
"""Both stamps come from clocks of this machine, cut to milliseconds."""
_HEADERS = ("dead_letter_topic", "dead_letter_partition", "dead_letter_offset", "dead_letter_reason")


class Letter(NamedTuple):
    """A dead letter, with the place that it names."""

    place: Place
    reason: bytes
    record: RawRecord


class Read(NamedTuple):
    """Both topics, partition by partition, sorted out."""

    commands: Mapping[int, ReadCommands]
    logs: Mapping[int, ReadLog]


def check_letters(
    written: Sequence[Written], letters: Iterable[RawRecord], read: Read, samples: Sequence[Sample], findings: Findings
) -> None:
    """Check all dead letters against all unreadable records."""
    found = _by_place(letters, findings)
    originals = {_place(COMMANDS, r): r for commands in read.commands.values() for r in commands.garbage}
    originals |= {_place(EVENTS, r): r for log in read.logs.values() for r in log.garbage}
    for place in found.keys() - originals.keys():
        findings.add("8", "a dead letter of something that can be read", None, _text(place))
    for place, original in originals.items():
        copies = found.get(place, [])
        findings.expect("8", bool(copies), "no one can read it, and it is not among the dead letters", None, _text(place))
        for letter in copies:
            _unchanged(original, letter, findings)
        if copies:
            _passed_only_then(place, min(letter.record.timestamp_ms for letter in copies), read, samples, findings)
    _nothing_else(written, originals.values(), read, findings)


def _by_place(letters: Iterable[RawRecord], findings: Findings) -> dict[Place, list[Letter]]:
    found: dict[Place, list[Letter]] = defaultdict(list)
    for record in letters:
        headers = dict(record.headers)
        if any(not headers.get(name) for name in _HEADERS):
            findings.add("8", "a dead letter without place or reason", None, f"order-dead-letters/{record.partition}/{record.offset}")
            continue
        topic, partition, offset, reason = (headers[name] for name in _HEADERS)
        place = (topic.decode(), int(partition), int(offset))
        found[place].append(Letter(place, reason, record))
    return found


def _unchanged(original: RawRecord, letter: Letter, findings: Findings) -> None:
    kept = letter.record.headers[: len(original.headers)]
    same = (original.key, original.value, original.headers) == (letter.record.key, letter.record.value, kept)
    findings.expect("8", same, "the dead letter is not what stood there", None, _text(letter.place))


def _passed_only_then(place: Place, letter_ms: int, read: Read, samples: Sequence[Sample], findings: Findings) -> None:
    topic, partition, offset = place
    if topic == COMMANDS:
        later = next((entry for entry in read.logs[partition].counting if entry.command_offset > offset), None)
        passed_ms = later.timestamp_ms if later else None
    else:
        passed = [sample.at for sample in samples if partition in sample.partitions and sample.partitions[partition].next_offset > offset]
        passed_ms = int(min(passed) * 1000) if passed else None
    if passed_ms is not None:
        what = f"passed by {letter_ms - passed_ms} ms before it was among the dead letters"
        findings.expect("8", letter_ms <= passed_ms + _TOLERANCE_MS, what, None, _text(place))


def _nothing_else(written: Sequence[Written], garbage: Iterable[RawRecord], read: Read, findings: Findings) -> None:
    """Check that unreadable records were written by hand, and that everything written by hand met its fate."""
    by_hand: dict[tuple[bytes | None, bytes | None], Written] = {(thing.key, thing.value): thing for thing in written}
    for record in garbage:
        thing = by_hand.get((record.key, record.value))
        if thing is None or thing.fate != "dead letter":
            findings.add("8", "bytes that no one can read, and that the kit did not write", None, f"{record.partition}/{record.offset}")
    counting = {entry.envelope["order_id"]: entry for log in read.logs.values() for entry in log.counting}
    ordered = {command.order_id for commands in read.commands.values() for command in commands.commands}
    for thing in written:
        order_id = (thing.key or b"").decode()
        record_of = counting.get(order_id)
        if thing.fate == "void":
            findings.expect("8", record_of is None, "an envelope without its place counts", order_id, record_of and record_of.place)
        elif thing.fate == "invalid_command" and order_id in ordered:
            rejected = record_of is not None and _is_invalid(record_of)
            findings.expect("8", rejected, "a command with unusable content was not rejected", order_id, record_of and record_of.place)


def _is_invalid(entry: Entry) -> bool:
    return entry.rejected_as == "invalid_command"


def _place(topic: str, record: RawRecord) -> Place:
    return topic, record.partition, record.offset


def _text(place: Place) -> str:
    return "/".join(map(str, place))
