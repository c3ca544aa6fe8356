"""End a stack: ask its supervisor, do the work of a supervisor that was killed, and end guests."""

import logging
import os
import signal
import time

from order_service.stack.folder import AlreadyRuns, StackFolder
from order_service.stack.process_identity import ProcessIdentity, end_processes
from order_service.stack.record import StackRecord, guests, read_record

_SUPERVISOR_GRACE_S = 9.0
_NAMED_S = 1.0
_log = logging.getLogger(__name__)
_SERVICE_GRACE_S = 3.5
_SERVER_GRACE_S = 4.0


def end_stack(folder: StackFolder) -> str:
    """End every process of the stack in this folder, within 10 s unless something is frozen; returns what was done, in a sentence."""
    supervised = folder.is_held()
    if supervised:
        _end_supervisor(folder)
    if not folder.record.exists():
        guests = end_guests(folder)
        return "stopped" if supervised or guests else "nothing was running"
    try:
        with folder.held():
            left = end_leftovers(folder)
    except AlreadyRuns:
        return "stopped, and started again by someone else"
    return f"ended {len(left)} processes that a killed run had left" if left else "stopped" if supervised else "nothing was running"


def _end_supervisor(folder: StackFolder) -> None:
    deadline = time.monotonic() + _NAMED_S
    while folder.is_held() and time.monotonic() < deadline:
        # A supervisor of an earlier release may not have put its identity into the lock, but it keeps a record.
        recorded = read_record(folder)
        if supervisor := folder.holder() or (recorded.supervisor if recorded else None):
            end_processes([supervisor], grace_s=_SUPERVISOR_GRACE_S, children=False)
            return
        time.sleep(0.05)


def end_leftovers(folder: StackFolder) -> list[int]:
    """End, in the right order, every process that the last record names and that still runs; their pids. Removes the record.

    Only for a folder without a supervisor. A number that was given to another process since is left alone.
    """
    record = read_record(folder)
    ended = end_guests(folder)
    if record:
        ended += _end_stack(record)
        folder.record.unlink(missing_ok=True)
    folder.request.unlink(missing_ok=True)
    if ended:
        _log.info("ended what an earlier run left behind: processes %s", ", ".join(map(str, ended)))
    return ended


def _end_stack(record: StackRecord) -> list[int]:
    by_service: dict[str, list[ProcessIdentity]] = {}
    for process in record.processes:
        if process.process:
            by_service.setdefault(process.service, []).append(process.process)
    postgres, kafka = by_service.pop("postgres", []), by_service.pop("kafka", [])
    ended = end_processes([identity for identities in by_service.values() for identity in identities], grace_s=_SERVICE_GRACE_S)
    ended += end_processes(kafka, grace_s=_SERVER_GRACE_S)
    return ended + end_processes(postgres, grace_s=_SERVER_GRACE_S, stop_signal=signal.SIGINT)  # SIGTERM would wait for its clients


def end_guests(folder: StackFolder) -> list[int]:
    """End all guests; returns their pids."""
    return end_processes([identity for _, identity in guests(folder) if identity.pid != os.getpid()], grace_s=_SERVICE_GRACE_S)
