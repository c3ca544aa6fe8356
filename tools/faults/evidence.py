"""The evidence of a run: both topics, the dead letters, the tables; gathered when all is quiet, then judged."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import psycopg

from event_schemas.positions import Position
from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS
from tools.faults.checks.client import check_client
from tools.faults.checks.expected_rows import COLUMNS, Row
from tools.faults.checks.feed import check_feed, expected_feed
from tools.faults.checks.findings import Findings
from tools.faults.checks.letters import Read, check_letters
from tools.faults.checks.log import check_log
from tools.faults.checks.raw_log import Entry, read_commands, read_log
from tools.faults.checks.raw_tables import Sample, read_tables, take_sample
from tools.faults.checks.raw_topics import TopicCopy
from tools.faults.checks.tables import check_samples, check_tables
from tools.faults.load.feed_watcher import FeedWatcher
from tools.faults.load.noise_writer import Written
from tools.faults.load.workload import Sent

_LOOK_EVERY_S = 2.0
_NO_PROGRESS_S = 60.0
"""After so long without any progress nothing more will come: what is missing then is lost."""
_AT_MOST_S = 900.0
_DATABASE_TRIES = 5


@dataclass
class Evidence:
    """What the checks look at. `unfinished`: why the stack was not quiet when the evidence was gathered, None when it was."""

    commands: TopicCopy
    events: TopicCopy
    letters: TopicCopy
    read: Read = field(default_factory=lambda: Read({}, {}))
    checkpoints: dict[int, int] = field(default_factory=dict)
    tables: dict[int, dict[str, list[Row]]] = field(default_factory=dict)
    unfinished: str | None = None

    @classmethod
    def of(cls, servers: str, partitions: int) -> "Evidence":
        """Evidence with nothing in it yet."""
        commands, events, letters = (TopicCopy(servers, topic, partitions) for topic in (COMMANDS, EVENTS, DEAD_LETTERS))
        return cls(commands, events, letters)

    @property
    def counting(self) -> dict[int, list[Entry]]:
        """Per partition the records that count."""
        return {partition: log.counting for partition, log in self.read.logs.items()}

    async def gather(self, url: str, watchers: Sequence[FeedWatcher], tell: Callable[[str], None]) -> None:
        """Wait until nothing is missing, or nothing moves any more, and read everything. Raises TopicUnreadable, psycopg.Error."""
        await self._quiet(url, watchers, tell)
        await self.letters.read_on()
        for partition in self.events.partitions:
            self.checkpoints[partition], self.tables[partition] = await _patiently_read(url, partition)

    async def _quiet(self, url: str, watchers: Sequence[FeedWatcher], tell: Callable[[str], None]) -> None:
        begin = moved_at = time.monotonic()
        seen: tuple[int, ...] = ()
        while True:
            checkpoints = await self._read_on(url)
            missing = self._missing(checkpoints, watchers)
            now, progress = time.monotonic(), (len(self.commands), len(self.events), checkpoints, *(w.memory.held for w in watchers))
            if not missing:
                return
            if progress != seen:
                seen, moved_at = progress, now
            if now - moved_at > _NO_PROGRESS_S:
                tell(f"nothing moved for {_NO_PROGRESS_S:.0f} s, still missing: {missing}")
                return
            if now - begin > _AT_MOST_S:
                self.unfinished = f"not quiet after {_AT_MOST_S:.0f} s, though it still moved: {missing}"
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _read_on(self, url: str) -> int:
        """Read what came since the last call. Returns the sum of all checkpoints, -1 without a database."""
        await self.commands.read_on()
        await self.events.read_on()
        self.sort_out()
        try:
            return sum(sums.next_offset for sums in (await take_sample(url)).partitions.values())
        except psycopg.Error:
            return -1

    def sort_out(self) -> None:
        """Sort out the copies of both topics."""
        count = len(self.commands.partitions)
        self.read = Read(
            {partition: read_commands(records, count) for partition, records in self.commands.partitions.items()},
            {partition: read_log(records) for partition, records in self.events.partitions.items()},
        )

    def _missing(self, checkpoints: int, watchers: Sequence[FeedWatcher]) -> str | None:
        """What has not come yet, None when all has."""
        counting = self.counting
        decided = {entry.envelope["command_id"] for entries in counting.values() for entry in entries}
        sent = {command_id for commands in self.read.commands.values() for command_id in commands.firsts()}
        if undecided := len(sent - decided):
            return f"{undecided} commands are not decided"
        if checkpoints != len(self.events):
            return f"the tables hold {checkpoints} of {len(self.events)} records"
        for watcher in watchers:
            if watcher.wanted is None or watcher.memory.start is None:
                return f"{watcher.name} is not subscribed"
            start = Position.parse(watcher.memory.start).next_offsets
            due = sum(map(len, expected_feed(watcher.wanted, start, counting).values()))
            if watcher.memory.held < due:
                return f"{watcher.name} holds {watcher.memory.held} of {due} records"
        return None


async def _patiently_read(url: str, partition: int) -> tuple[int, dict[str, list[Row]]]:
    for attempt in range(_DATABASE_TRIES):
        try:
            return await read_tables(url, partition, COLUMNS)
        except psycopg.OperationalError:
            if attempt == _DATABASE_TRIES - 1:
                raise
            await asyncio.sleep(2.0)
    raise AssertionError("unreachable")


def judge_run(
    evidence: Evidence, history: Sequence[Sent], watchers: Iterable[FeedWatcher], samples: Sequence[Sample], written: Sequence[Written]
) -> Findings:
    """Run all checks; returns what is wrong."""
    findings = Findings()
    read, counting = evidence.read, evidence.counting
    for partition, log in read.logs.items():
        check_log(read.commands[partition], log, findings)
        check_samples(partition, samples, log.counting, findings)
        check_tables(partition, evidence.checkpoints[partition], evidence.tables[partition], log.counting, findings)
        end, checkpoint = len(evidence.events.partitions[partition]), evidence.checkpoints[partition]
        what = f"the checkpoint stays at {checkpoint}, the log ends at {end}"
        findings.expect("6", checkpoint == end, what, None, f"partition {partition}")
    decided: dict[str, list[Entry]] = defaultdict(list)
    for entries in counting.values():
        for entry in entries:
            decided[entry.envelope["command_id"]].append(entry)
    commands = [command for partition in read.commands.values() for command in partition.commands]
    check_client(history, commands, decided, findings)
    for watcher in watchers:
        check_feed(watcher.name, watcher.wanted or {}, watcher.memory, counting, findings)
    letters = [letter for letters in evidence.letters.partitions.values() for letter in letters]
    check_letters(written, letters, read, samples, findings)
    return findings
