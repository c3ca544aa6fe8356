"""How long decisions stood still while commands waited, and whether the partition's owner was to blame. No I/O of its own."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tools.faults.checks.raw_log import Entry, ReadCommands
from tools.faults.fault_injector import Done

Blame = Literal["owner healthy", "owner hit", "broker hit"]
_ASSIGNED = re.compile(r"^(\S+Z) .*assigned partitions: ([\d, ]+|none)\s*$", re.MULTILINE)
_BROKER_S = 15.0
"""How long after a broker's death a standstill counts as caused by it."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A worker's log line: these partitions are its own from then on; seconds since 1970."""

    at: float
    worker: str
    partitions: frozenset[int]


@dataclass(frozen=True, slots=True)
class Standstill:
    """From `begin` to `end` (seconds since 1970) a command of this partition waited and nothing was decided."""

    begin: float
    end: float
    partition: int
    blame: Blame

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.begin


def assignments(worker: str, log: str) -> list[Assignment]:
    """The assignments in a worker's log."""
    found = []
    for moment, listed in _ASSIGNED.findall(log):
        numbers = frozenset() if listed.strip() == "none" else frozenset(map(int, listed.split(",")))
        found.append(Assignment(datetime.fromisoformat(moment).timestamp(), worker, numbers))
    return found


def longest_standstills(
    commands: Mapping[int, ReadCommands], counting: Mapping[int, Sequence[Entry]], owners: Iterable[Assignment], done: Sequence[Done]
) -> dict[Blame, Standstill]:
    """The longest standstill of each blame."""
    owners = sorted(owners, key=lambda assignment: assignment.at)
    longest: dict[Blame, Standstill] = {}
    for partition, entries in counting.items():
        sent = {command.offset: command.timestamp_ms for command in commands[partition].commands}
        before_ms = 0
        for entry in entries:
            begin_ms = max(before_ms, sent.get(entry.command_offset, entry.timestamp_ms))
            before_ms = max(before_ms, entry.timestamp_ms)
            begin, end = begin_ms / 1000, entry.timestamp_ms / 1000
            if end - begin < 0.5:
                continue
            blame = _blame(partition, begin, end, owners, done)
            if blame not in longest or longest[blame].seconds < end - begin:
                longest[blame] = Standstill(begin, end, partition, blame)
    return longest


def _blame(partition: int, begin: float, end: float, owners: Sequence[Assignment], done: Sequence[Done]) -> Blame:
    hits = [hit for hit in done if hit.why_not is None]
    owner = next((assignment for assignment in reversed(owners) if assignment.at <= begin and partition in assignment.partitions), None)
    if owner is None:
        return "owner hit"  # without an owner: at the start, or after both workers died
    if any(hit.process == owner.worker and hit.at <= end and hit.until >= owner.at for hit in hits):
        return "owner hit"
    if any(hit.fault.target == "kafka" and begin - _BROKER_S <= hit.at <= end for hit in hits):
        return "broker hit"
    return "owner healthy"
