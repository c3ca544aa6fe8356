"""The raw log, judged by hand: nothing of the product's gate or folds is used here."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord


@dataclass
class LogVerdict:
    """What an independent reader finds."""

    counted: int = 0
    void: int = 0
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    version_gaps: list[str] = field(default_factory=list)
    out_of_order: int = 0

    @property
    def clean(self) -> bool:
        return not (self.doubled or self.lost or self.version_gaps or self.out_of_order)


def judge_log(records: list[ConsumerRecord], command_ids: set[str]) -> LogVerdict:
    """Invariants 1 to 3 of the design, for these commands."""
    verdict = LogVerdict()
    commands: Counter[str] = Counter()
    versions: dict[str, int] = defaultdict(int)
    last_command: dict[int, int] = defaultdict(lambda: -1)
    for record in records:
        headers = dict(record.headers)
        if headers.get("place") != b"%d" % record.offset:
            verdict.void += 1
            continue
        verdict.counted += 1
        envelope = json.loads(record.value)
        commands[envelope["command_id"]] += 1
        expected = versions[envelope["order_id"]] + (envelope["type"] != "CommandRejected")
        if envelope["version"] != expected:
            verdict.version_gaps.append(f"{envelope['order_id']} at {record.partition}/{record.offset}")
        versions[envelope["order_id"]] = envelope["version"]
        command_offset = int(headers["command_offset"])
        verdict.out_of_order += command_offset <= last_command[record.partition]
        last_command[record.partition] = command_offset
    verdict.doubled = [command for command, times in commands.items() if times > 1]
    verdict.lost = sorted(command_ids - commands.keys())
    return verdict
