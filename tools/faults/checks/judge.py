"""All checks on the evidence of one run. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tools.faults.checks.client import check_client
from tools.faults.checks.feed import check_feed
from tools.faults.checks.findings import Findings
from tools.faults.checks.letters import check_letters
from tools.faults.checks.log import check_log
from tools.faults.checks.raw_log import Entry
from tools.faults.checks.raw_tables import Sample
from tools.faults.checks.tables import check_samples, check_tables
from tools.faults.evidence import Evidence
from tools.faults.history import Sent
from tools.faults.load.feed_watcher import Watcher
from tools.faults.load.noise_writer import Written


def judge_run(
    evidence: Evidence, history: Sequence[Sent], watchers: Iterable[Watcher], samples: Sequence[Sample], written: Sequence[Written]
) -> Findings:
    """What is wrong, if anything."""
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
