"""How `./orders trace` shows commands to people. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from order_service.plain_table import table

_DELETED = "(the command itself was deleted after it was decided)"


def render(items: Iterable[Mapping[str, Any]]) -> str:
    """Each command with its chain, times in UTC with the milliseconds since the step before."""
    return "\n".join(_one(item) for item in items)


def _one(item: Mapping[str, Any]) -> str:
    outcome = item["status"] if item["status"] == "accepted" else f"rejected, {item['code']}: {item['detail']}"
    head = f"{item['type']} {item['command_id']}: {outcome}\n"
    rows = [
        ("order", f"{item['order_id']} version {item['version']}"),
        ("correlation", item["correlation_id"]),
        *_chain(item),
        ("record", f"{item['record_id']} at {item['position']}"),
        *((name, visibility) for name, visibility in item["projections"].items()),
    ]
    return head + table(rows)


def _chain(item: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    steps = []
    before: datetime | None = None
    for name in ("received", "appended", "decided"):
        text = item[f"{name}_at"]
        at = datetime.fromisoformat(text) if text else None
        since = f"  +{(at - before).total_seconds() * 1000:.0f} ms" if at and before else ""
        steps.append((name, f"{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}{since}" if at else _DELETED))
        before = at or before
    return steps
