"""What the checks find: violations, each with the order and the record concerned, and how much was looked at. Pure."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

CHECKS = {
    "1": "every command answered 202 has exactly one record that counts",
    "2": "per order the versions run 1..n without gap",
    "3": "per partition the records stand in the order of their commands",
    "4": "ids are uuid5 of the command's; deciding again gives the same record",
    "5": "rows and checkpoint change in one transaction",
    "6": "every table is the fold of the log up to its checkpoint, row for row",
    "7": "the feed is complete and in order per order, after the client's rule",
    "8": "what no one can read ends unchanged among the dead letters, and nothing else",
    "keys": "the same key and body: the same ids and one effect; another body: rejected",
    "answers": "no valid request is refused at the door, and an answered ending is the record's",
    "heals": "after the last fault everything runs again by itself",
}
"""The invariants of the design by their numbers, and the promises of the interface that stand beside them."""


class Violation(NamedTuple):
    """`place`: TOPIC/PARTITION/OFFSET or a table's row."""

    check: str
    what: str
    order_id: str | None = None
    place: str | None = None


@dataclass
class Findings:
    """The checks' results. A check that looked at nothing has not passed."""

    violations: dict[str, list[Violation]] = field(default_factory=lambda: defaultdict(list))
    looked_at: Counter[str] = field(default_factory=Counter)

    def looked(self, check: str, times: int = 1) -> None:
        """Count so many comparisons for this check."""
        self.looked_at[check] += times

    def add(self, check: str, what: str, order_id: str | None = None, place: str | None = None) -> None:
        """Note a violation."""
        self.violations[check].append(Violation(check, what, order_id, place))

    def expect(self, check: str, holds: bool, what: str, order_id: str | None = None, place: str | None = None) -> None:
        """Compare one thing: a violation unless it holds."""
        self.looked(check)
        if not holds:
            self.add(check, what, order_id, place)

    def passed(self, check: str) -> bool:
        """Whether something was looked at and nothing was found."""
        return self.looked_at[check] > 0 and not self.violations.get(check)

    @property
    def clean(self) -> bool:
        """Whether every check passed."""
        return all(map(self.passed, CHECKS))
