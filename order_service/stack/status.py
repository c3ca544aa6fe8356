"""What `status` says, read from the stack's record: no server is asked, so it answers at once."""

import re
from typing import Any

from infra.process.settings import Settings
from order_service.stack.folder import StackFolder
from order_service.stack.record import SERVICES, ProcessRecord, State, guests, is_silent, read_record
from order_service.stack.running import urls
from order_service.terminal import table

_WORST_FIRST: tuple[State, ...] = ("restarting", "waiting", "starting", "stopped", "running")


def read_status(settings: Settings) -> dict[str, Any]:
    """The answer of `status --json`. The database's password is in it."""
    folder = StackFolder(settings.home)
    held = folder.is_held()
    record = read_record(folder) if held else None
    urls_now = record.urls if record else urls(settings, settings.kafka_bootstrap_servers, None)
    joined: dict[str, list[int]] = {}
    for service, identity in guests(folder):
        joined.setdefault(service, []).append(identity.pid)
    services = {
        name: service_status([p for p in record.processes if p.service == name] if record else [], joined.get(name, []), held=held)
        for name in SERVICES
    }
    silent = held and is_silent(folder)
    if silent:
        activity: str | None = "the supervisor does not answer: `./orders down` ends it"
    elif folder.record.exists() and not held:
        activity = "the supervisor was killed; `./orders down` or `./orders up` ends what it left"
    else:
        activity = record.activity if record else None
    return {
        "ready": bool(record and record.ready and not silent),
        "activity": activity,
        "home": str(folder.home),
        "urls": urls_now.model_dump(),
        "services": services,
    }


def service_status(processes: list[ProcessRecord], guest_pids: list[int], *, held: bool) -> dict[str, Any]:
    """One service's part of the answer; without any process it starts while the folder is `held`, else it is stopped."""
    states = {process.state for process in processes} or {"starting" if held else "stopped"}
    return {
        "pids": [process.process.pid for process in processes if process.process] + guest_pids,
        "state": next(state for state in _WORST_FIRST if state in states),
        "restarts": sum(process.restarts for process in processes),
        "metrics": next((process.metrics for process in processes if process.metrics), None),
        "detail": next((process.detail for process in processes if process.detail), None),
        "instances": [process.model_dump(include={"name", "state", "detail", "restarts", "metrics"}) for process in processes],
    }


def masked(url: str | None) -> str:
    """A URL without its password, for people and logs."""
    if not url:
        return "-"
    url = re.sub(r"(?<=://)([^:/@]*):[^@]*@", r"\1:****@", url)
    return re.sub(r"(?<=password=)('(?:[^'\\]|\\.)*'|[^\s&]+)", "****", url)


def render(status: dict[str, Any]) -> str:
    """The status as text, password masked."""
    rows = [["SERVICE", "STATE", "RESTARTS", "PIDS", ""]]
    for name, service in status["services"].items():
        rows.append([name, service["state"], str(service["restarts"]), " ".join(map(str, service["pids"])) or "-", service["detail"] or ""])
    lines = [table(rows), render_urls(status["urls"])]
    if status["activity"]:
        lines.append(f"  {status['activity']}\n")
    return "\n".join(lines)


def render_urls(found: dict[str, str | None]) -> str:
    """The URLs as text, password masked."""
    return table(
        [
            ["HTTP", found["http"] or "-"],
            ["feed", found["feed"] or "-"],
            ["Kafka", found["kafka"] or "-"],
            ["PostgreSQL", masked(found["postgres"])],
        ]
    )
