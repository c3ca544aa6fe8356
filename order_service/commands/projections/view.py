"""Generations, comparisons and drift as people and machines read them. No I/O of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from order_service.terminal import printable, table
from projections.operations import Drift, Findings, GenerationStatus, Parked, Promotion, Status, TableComparison


def cut(text: str | None, most: int = 200) -> str:
    """The text, printable and no longer than `most` characters."""
    return "(null)" if text is None else printable(text)[:most]


def status_json(status: Status) -> dict[str, Any]:
    """The status as API.md has it; `parked` and `rebuild` are added to it."""
    return {"live": status.live, "generations": [_generation_json(one, status) for one in status.generations]}


def _generation_json(one: GenerationStatus, status: Status) -> dict[str, Any]:
    rebuild = next((kept for kept in status.rebuilds if kept.schema == one.generation.schema), None)
    return {
        "schema": one.generation.schema,
        "state": one.generation.state,
        "records": one.records,
        "lag_records": one.lag_records,
        "lag_seconds": None if one.lag_seconds is None else round(one.lag_seconds, 3),
        "fold_version": one.generation.fold_version,
        "parked": len(one.parked),
        "rebuild": None if rebuild is None else "interrupted" if rebuild.interrupted else rebuild.phase,
    }


def status_text(status: Status) -> str:
    """The generations, and below them what is parked."""
    if not status.generations:
        return "there are no read models yet: the projections make them when they start\n"
    rows: list[tuple[str, ...]] = [("generation", "state", "records", "behind", "seconds", "parked", "rebuild")]
    for one in (_generation_json(one, status) for one in status.generations):
        cells = (one["state"], one["records"], one["lag_records"], one["lag_seconds"], one["parked"], one["rebuild"])
        mark = "*" if one["schema"] == status.live else " "
        rows.append((f"{mark} {one['schema']}", *("-" if cell is None else str(cell) for cell in cells)))
    parked = [poison for one in status.generations for poison in one.parked if poison.state == "poison"]
    return table(rows) + (f"{len(parked)} records can't be folded: `./orders projections parked` says why\n" if parked else "")


def parked_json(one: Parked) -> dict[str, Any]:
    """A parked record without its bytes."""
    return {
        "table": one.table_name,
        "order_id": str(one.order_id),
        "partition": one.partition,
        "offset": one.record_offset,
        "state": one.state,
        "reason": one.reason,
    }


def parked_text(parked: Sequence[Parked]) -> str:
    """Parked records, one a line."""
    if not parked:
        return "nothing is parked\n"
    rows = [("order", "table", "record", "state", "reason")]
    for one in parked:
        reason = cut(one.reason) if one.reason else ""
        rows.append((str(one.order_id), one.table_name, f"order-events/{one.partition}/{one.record_offset}", one.state, reason))
    return table(rows)


def comparison_json(compared: Sequence[TableComparison]) -> list[dict[str, Any]]:
    """What a promotion compared."""
    return [
        {
            "table": one.table,
            "live_rows": one.live_rows,
            "new_rows": one.new_rows,
            "equal": one.equal,
            "note": one.note,
            "samples": [{"live": sample.live, "new": sample.new} for sample in one.samples],
        }
        for one in compared
    ]


def comparison_text(compared: Sequence[TableComparison]) -> str:
    """The tables side by side, and samples of what differs."""
    rows = [("table", "rows live", "rows new", "checksums")]
    rows += [(one.table, str(one.live_rows), str(one.new_rows), "equal" if one.equal else "DIFFERENT") for one in compared]
    lines = [table(rows)]
    for one in compared:
        if one.note:
            lines.append(f"  {one.table}: {one.note}\n")
        lines += [f"  {one.table}\n    live {cut(sample.live, 600)}\n    new  {cut(sample.new, 600)}\n" for sample in one.samples]
    return "".join(lines)


def promotion_json(done: Promotion) -> dict[str, Any]:
    """A promotion that was done."""
    compared = comparison_json(done.compared)
    return {"promoted": done.to_schema, "from": done.from_schema, "compared": compared, "writers_waited_s": round(done.held_s, 3)}


def drift_json(drift: Drift) -> list[dict[str, Any]]:
    """A drifted row: one object a field, or one for a row that is missing or extra."""
    common = {"table": drift.table, "key": list(drift.key), "kind": drift.kind}
    if drift.kind != "changed":
        return [common]
    return [common | {"field": one.name, "there": one.there, "should": one.should} for one in drift.fields]


def drift_text(drift: Drift) -> str:
    """A drifted row in one line for each field."""
    row = f"{drift.table} {cut('/'.join(drift.key))}"
    if drift.kind != "changed":
        return f"{row}: {drift.kind}\n"
    return "".join(f"{row}: {one.name} is {cut(one.there, 600)}, should be {cut(one.should, 600)}\n" for one in drift.fields)


def findings_json(findings: Findings, repaired: int | None) -> dict[str, Any]:
    """How a verification ended."""
    return {
        "schema": findings.schema,
        "records": findings.records,
        "rows": findings.rows,
        "drifted_rows": len(findings.drifts),
        "parked_orders": findings.parked_orders,
        "repaired_rows": repaired,
    }


def progress_text(phase: str, numbers: Mapping[str, Any]) -> str:
    """How far a rebuild or a verification is: `records` of `total`, perhaps with `rate` and `eta_s`."""
    records, total = numbers["records"], numbers["total"]
    percent = 100 * records / total if total else 100.0
    parts = [f"{phase} {percent:5.1f} %", f"{records} of {total} records"]
    if numbers.get("rate"):
        parts.append(f"{numbers['rate']:.0f}/s")
    if numbers.get("eta_s") is not None and phase == "folding":
        parts.append(f"{numbers['eta_s']:.0f} s left")
    return ", ".join(parts)
