"""The verdict of a run, for people and as one JSON object. No I/O of its own."""

from collections import Counter
from typing import Any

from order_service.terminal import table
from tools.faults.checks.findings import CHECKS, Violation
from tools.faults.load.client import NOT_SENT
from tools.faults.run import Outcome

_SHOWN = 20
"""Violations shown per check; the counts are of all."""


def verdict_of(outcome: Outcome) -> str:
    """PASS, FAIL, or UNFINISHED when neither can be said."""
    if outcome.unfinished is not None:
        return "UNFINISHED"
    return "PASS" if outcome.findings.clean else "FAIL"


def as_object(outcome: Outcome) -> dict[str, Any]:
    """The verdict and all figures, as plain values."""
    findings, longest = outcome.findings, outcome.standstills
    return {
        "verdict": verdict_of(outcome),
        "unfinished": outcome.unfinished,
        "seed": outcome.plan.seed,
        "minutes": round(outcome.plan.seconds / 60, 2),
        "took_s": round(outcome.seconds, 1),
        "counts": _counts(outcome),
        "standstill_s": {blame: {"seconds": round(s.seconds, 1), "partition": s.partition, "at": s.begin} for blame, s in longest.items()},
        "checks": {
            check: {
                "promise": promise,
                "passed": findings.passed(check),
                "looked_at": findings.looked_at[check],
                "violations": len(findings.violations.get(check, [])),
                "first": [violation._asdict() for violation in findings.violations.get(check, [])[:_SHOWN]],
            }
            for check, promise in CHECKS.items()
        },
    }


def _counts(outcome: Outcome) -> dict[str, Any]:
    history, evidence = outcome.history, outcome.evidence
    hits = [one for one in outcome.done if one.why_not is None]
    kills = Counter(one.fault.target for one in hits if one.fault.action == "kill")
    endings = Counter(entry.rejected_as or "accepted" for entries in evidence.counting.values() for entry in entries)
    return {
        "commands": len(history.sent),
        "answered": history.answered,
        "answered_202": sum(sent.ending is not None and sent.attempts[-1].said == "202" for sent in history.sent),
        "retries": history.retries,
        "ambiguous": sum(
            1 for sent in history.sent for attempt in sent.attempts if attempt.said[0] not in "24" and attempt.said != NOT_SENT
        ),
        "unanswered": history.unanswered,
        "kills": dict(sorted(kills.items())),
        "freezes": sum(one.fault.action == "freeze" for one in hits),
        "stops": sum(one.fault.action == "stop" for one in hits),
        "scalings": 2 * sum(one.fault.action == "scale" for one in hits),
        "faults_put_off": len(outcome.done) - len(hits),
        "restarts": outcome.restarts,
        "commands_in_topic": len(evidence.commands),
        "records": len(evidence.events),
        "counted": sum(map(len, evidence.counting.values())),
        "void": sum(len(log.void) for log in evidence.read.logs.values()),
        "unreadable": sum(len(part.garbage) for parts in evidence.read for part in parts.values()),
        "dead_letters": len(evidence.letters),
        "written_by_hand": outcome.by_hand,
        "endings": dict(sorted(endings.items())),
        "samples": outcome.samples,
        "feed": {
            watcher.name: {"held": watcher.memory.held, "repeats": watcher.memory.repeats, "connections": watcher.memory.connections}
            for watcher in outcome.watchers
        },
    }


def as_text(outcome: Outcome) -> str:
    """The verdict as text."""
    told = as_object(outcome)
    counts = told["counts"]
    rows = [(name, _plain(value)) for name, value in counts.items() if name != "feed"]
    rows += [(name, _plain(feed)) for name, feed in counts["feed"].items()]
    rows += [(f"longest standstill, {blame}", f"{s['seconds']} s, partition {s['partition']}") for blame, s in told["standstill_s"].items()]
    checks = [(_word(check), name, check["promise"], f"{check['looked_at']:,}") for name, check in told["checks"].items()]
    lines = [table(rows), table(checks)]
    for violations in outcome.findings.violations.values():
        lines += [_line(violation) for violation in violations[:_SHOWN]]
        if len(violations) > _SHOWN:
            lines.append(f"  … and {len(violations) - _SHOWN} more of check {violations[0].check}\n")
    if outcome.unfinished:
        lines.append(f"unfinished: {outcome.unfinished}\n")
    plan = outcome.plan
    lines.append(f"{told['verdict']}  seed {plan.seed}, {told['minutes']} minutes of load, {told['took_s']:.0f} s in all\n")
    return "\n".join(lines)


def _word(check: dict[str, Any]) -> str:
    return "PASS" if check["passed"] else "FAIL" if check["violations"] else "IDLE"


def _line(violation: Violation) -> str:
    order = f", order {violation.order_id}" if violation.order_id else ""
    return f"  check {violation.check}: {violation.what}{order}{f', at {violation.place}' if violation.place else ''}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in value.items())
    return f"{value:,}"
