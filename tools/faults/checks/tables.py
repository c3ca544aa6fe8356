"""Invariants 5 and 6: samples and whole tables against the fold of the log up to their checkpoint. No I/O of its own."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from decimal import Context, Decimal
from itertools import islice

from tools.faults.checks.expected_rows import Row, Rows, expected_rows, keyed
from tools.faults.checks.findings import Findings
from tools.faults.checks.raw_log import Entry
from tools.faults.checks.raw_tables import Sample, Sums

_EXACT = Context(prec=500)
_TOLD = 20
_PLACED = {"OrderCreated": 1, "OrderShipped": 0, "OrderCancelled": -1}
"""What each event adds to the number of orders that count in sums."""


def check_tables(partition: int, checkpoint: int, tables: Mapping[str, list[Row]], counting: Sequence[Entry], findings: Findings) -> None:
    """Check all of one partition's rows."""
    expected = expected_rows(entry for entry in counting if entry.offset < checkpoint)
    for table, rows in tables.items():
        found = keyed(table, rows)
        findings.looked("6", len(expected[table]))
        if len(found) != len(rows):
            findings.add("6", f"{len(rows) - len(found)} rows have the key of another", None, f"{table}, partition {partition}")
        for what, order_id, key in islice(_differences(expected[table], found), _TOLD):
            findings.add("6", f"{what}; checkpoint {checkpoint}", order_id, f"{table}, partition {partition}, {key}")


def _differences(expected: Rows, found: Rows) -> Iterable[tuple[str, str | None, str]]:
    for key in expected.keys() | found.keys():
        wanted, there = expected.get(key), found.get(key)
        if wanted == there:
            continue
        order_id = str((wanted or there or {}).get("order_id", "")) or None
        shown = "/".join(map(str, key))
        if wanted is None or there is None:
            yield f"a row is {'missing' if there is None else 'too many'}", order_id, shown
            continue
        names = [name for name in wanted if wanted[name] != there.get(name)]
        yield f"{names[0]} is {there.get(names[0])!r}, not {wanted[names[0]]!r}", order_id, shown


def check_samples(partition: int, samples: Iterable[Sample], counting: Sequence[Entry], findings: Findings) -> None:
    """Check each sample's sums against the records below the checkpoint of the same snapshot."""
    running = RunningSums(counting)
    for sample in sorted(samples, key=lambda sample: sample.partitions[partition].next_offset if partition in sample.partitions else -1):
        found = sample.partitions.get(partition)
        if found is None:
            findings.add("5", "a sample knows no checkpoint", None, f"partition {partition}")
            continue
        wanted = running.at(found.next_offset)
        torn = [
            f"{field.name} {getattr(found, field.name)}, not {getattr(wanted, field.name)}"
            for field in fields(found)
            if getattr(found, field.name) != getattr(wanted, field.name)
        ]
        what = f"a snapshot at {sample.at:.3f} came to {'; '.join(torn)}"
        findings.expect("5", not torn, what, None, f"partition {partition}, checkpoint {found.next_offset}")


class RunningSums:
    """The sums of the log's records up to a checkpoint; ask for checkpoints in rising order."""

    def __init__(self, counting: Sequence[Entry]) -> None:
        self._counting = counting
        self._done = 0
        self._placed: dict[str, tuple[int, Decimal]] = {}
        self._versions = self._units = self._sales = 0
        self._revenue = Decimal(0)

    def at(self, checkpoint: int) -> Sums:
        """The sums of everything below this offset."""
        end = bisect_left(self._counting, checkpoint, key=lambda entry: entry.offset)
        for entry in self._counting[self._done : end]:
            self._take(entry)
        self._done = max(self._done, end)
        return Sums(
            next_offset=checkpoint,
            history=end,
            last_offset=self._counting[end - 1].offset if end else -1,
            outcomes=end,
            orders=len(self._placed),
            versions=self._versions,
            customers_orders=len(self._placed),
            customers_units=self._units,
            sales_orders=self._sales,
            revenue=self._revenue,
        )

    def _take(self, entry: Entry) -> None:
        order_id, data = entry.envelope["order_id"], entry.envelope["data"]
        if entry.rejected_as is not None:
            return
        self._versions += 1
        placed = _PLACED[entry.envelope["type"]]
        if placed > 0:
            self._placed[order_id] = (data["units"], Decimal(data["total"]))
        if order_id in self._placed:
            units, total = self._placed[order_id]
            self._add(placed, placed * units, _EXACT.multiply(placed, total))

    def _add(self, orders: int, units: int, total: Decimal) -> None:
        self._sales += orders
        self._units += units
        self._revenue = _EXACT.add(self._revenue, total)
