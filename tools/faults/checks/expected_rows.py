"""The five tables, computed from the records that count and from nothing of the product. No I/O of its own.

The product adds up record by record; here sums are made of the orders' final states.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any

from tools.faults.checks.raw_log import Entry

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]
KEYS: dict[str, tuple[str, ...]] = {
    "order_details": ("order_id",),
    "order_history": ("order_id", "record_offset"),
    "customer_summaries": ("customer_id",),
    "daily_sales": ("day", "currency"),
    "command_outcomes": ("command_id",),
}
"""Per table the columns that name a row within a partition."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "order_details": (
        *("order_id", "version", "status", "customer_id", "currency", "lines", "units", "total", "ordered_at", "reference"),
        *("sales_channel", "tracking_number", "shipped_at", "reason", "cancelled_at"),
    ),
    "order_history": ("order_id", "record_offset", "envelope"),
    "customer_summaries": ("customer_id", "orders", "cancelled", "units", "totals"),
    "daily_sales": ("day", "currency", "orders", "units", "revenue"),
    "command_outcomes": (
        *("command_id", "record_id", "order_id", "customer_id", "type", "status", "code", "detail", "version"),
        *("record_offset", "command_offset", "correlation_id", "occurred_at", "appended_ms"),
    ),
}
_COMMAND_OF = {"OrderCreated": "CreateOrder", "OrderShipped": "ShipOrder", "OrderCancelled": "CancelOrder"}
_EXACT = Context(prec=500)


def expected_rows(entries: Iterable[Entry]) -> dict[str, Rows]:
    """What a partition's tables must hold after these records."""
    entries = list(entries)
    details = _details(entries)
    return {
        "order_details": details,
        "order_history": _keyed("order_history", map(_history, entries)),
        "customer_summaries": _customers(details.values()),
        "daily_sales": _sales(details.values()),
        "command_outcomes": _keyed("command_outcomes", map(_outcome, entries)),
    }


def keyed(table: str, rows: Iterable[Row]) -> Rows:
    """Rows as PostgreSQL gave them, by their keys, ready to be compared."""
    return _keyed(table, ({name: _plain(name, value) for name, value in row.items()} for row in rows))


def _keyed(table: str, rows: Iterable[Row]) -> Rows:
    return {tuple(row[name] for name in KEYS[table]): row for row in rows}


def _plain(name: str, value: Any) -> Any:
    if name == "totals":
        return {currency: {"orders": sums["orders"], "total": Decimal(sums["total"])} for currency, sums in value.items()}
    return str(value) if name.endswith("_id") and value is not None else value


def moment(text: str) -> datetime:
    """A time of an envelope."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _details(entries: Iterable[Entry]) -> Rows:
    rows: Rows = {}
    for entry in entries:
        envelope, key = entry.envelope, (entry.envelope["order_id"],)
        data = envelope["data"]
        match envelope["type"]:
            case "OrderCreated":
                rows[key] = {
                    **dict.fromkeys(COLUMNS["order_details"]),
                    **{name: data[name] for name in COLUMNS["order_details"] if name in data},
                    "order_id": envelope["order_id"],
                    "version": envelope["version"],
                    "status": "created",
                    "total": Decimal(data["total"]),
                    "ordered_at": moment(data["ordered_at"]),
                    # Version 1 has no such field.
                    "sales_channel": "unknown" if envelope["schema_version"] == 1 else data.get("sales_channel"),
                }
            case "OrderShipped" if key in rows:
                shipped = {"tracking_number": data["tracking_number"], "shipped_at": moment(data["shipped_at"])}
                rows[key] |= {**shipped, "version": envelope["version"], "status": "shipped"}
            case "OrderCancelled" if key in rows:
                cancelled = {"reason": data["reason"], "cancelled_at": moment(data["cancelled_at"])}
                rows[key] |= {**cancelled, "version": envelope["version"], "status": "cancelled"}
    return rows


def _history(entry: Entry) -> Row:
    return {"order_id": entry.envelope["order_id"], "record_offset": entry.offset, "envelope": entry.value.decode()}


def _outcome(entry: Entry) -> Row:
    envelope = entry.envelope
    data, rejected = envelope["data"], entry.rejected_as is not None
    return {
        "command_id": envelope["command_id"],
        "record_id": envelope["id"],
        "order_id": envelope["order_id"],
        "customer_id": data.get("customer_id"),
        "type": data["command_type"] if rejected else _COMMAND_OF[envelope["type"]],
        "status": "rejected" if rejected else "accepted",
        "code": data["code"] if rejected else None,
        "detail": data["detail"] if rejected else None,
        "version": envelope["version"],
        "record_offset": entry.offset,
        "command_offset": entry.command_offset,
        "correlation_id": envelope["correlation_id"],
        "occurred_at": moment(envelope["occurred_at"]),
        "appended_ms": entry.timestamp_ms,
    }


def _customers(orders: Iterable[Row]) -> Rows:
    rows: Rows = {}
    for order in orders:
        fresh = {"customer_id": order["customer_id"], "orders": 0, "cancelled": 0, "units": 0, "totals": {}}
        row = rows.setdefault((order["customer_id"],), fresh)
        row["orders"] += 1
        if order["status"] == "cancelled":
            row["cancelled"] += 1
            continue
        row["units"] += order["units"]
        sums = row["totals"].setdefault(order["currency"], {"orders": 0, "total": Decimal(0)})
        sums["orders"] += 1
        sums["total"] = _EXACT.add(sums["total"], order["total"])
    return rows


def _sales(orders: Iterable[Row]) -> Rows:
    sums: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for order in orders:
        sums[order["ordered_at"].date(), order["currency"]].append(order)
    return {(day, currency): _sale(day, currency, placed) for (day, currency), placed in sums.items()}


def _sale(day: Any, currency: str, placed: Iterable[Row]) -> Row:
    row = {"day": day, "currency": currency, "orders": 0, "units": 0, "revenue": Decimal(0)}
    for order in placed:
        if order["status"] != "cancelled":
            row["orders"] += 1
            row["units"] += order["units"]
            row["revenue"] = _EXACT.add(row["revenue"], order["total"])
    return row
