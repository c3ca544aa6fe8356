"""All checks on the evidence of one run. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from order_service.faults.check_client import check_client
from order_service.faults.check_feed import check_feed
from order_service.faults.check_letters import check_letters
from order_service.faults.check_log import check_log
from order_service.faults.check_tables import check_samples, check_tables
from order_service.faults.evidence import Evidence
from order_service.faults.findings import Findings
from order_service.faults.history import Sent
from order_service.faults.raw_log import Entry
from order_service.faults.raw_tables import Sample
from order_service.faults.watcher import Watcher
from order_service.faults.writer import Written


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
