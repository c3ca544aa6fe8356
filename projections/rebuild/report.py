"""How far the read models are that are being made, for the answer to those who can't read them yet."""

from typing import Any

from psycopg import AsyncConnection

from projections.rebuild.status import read_status


async def rebuild_report(connection: AsyncConnection[Any]) -> dict[str, Any] | None:
    """Phase, records folded of all, and the seconds left of the newest rebuild; None when none is known."""
    status = await read_status(connection)
    if not status.rebuilds:
        return None
    rebuild = status.rebuilds[-1]
    targets = dict(enumerate(rebuild.targets))
    held = next((one.next_offsets for one in status.generations if one.generation.schema == rebuild.schema), {})
    return {
        "phase": "interrupted" if rebuild.interrupted else rebuild.phase,
        "records": sum(min(offset, targets.get(partition, 0)) for partition, offset in held.items()),
        "total": sum(targets.values()),
        "eta_seconds": None if rebuild.eta_s is None else round(rebuild.eta_s, 1),
    }
