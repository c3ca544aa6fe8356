"""End what a killed supervisor left running, and guests that joined its stack."""

import logging
import os
import signal

from order_service.stack.folder import StackFolder
from order_service.stack.process_identity import ProcessIdentity, end_processes
from order_service.stack.record import StackRecord, read_record

_log = logging.getLogger(__name__)
_SERVICE_GRACE_S = 3.5
_SERVER_GRACE_S = 4.0


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


def add_guest(folder: StackFolder, service: str) -> None:
    """Note that this process works for the stack as `service`, so that `status` counts it and `down` ends it."""
    own = ProcessIdentity.own()
    (folder.guests / f"{service}-{own.pid}").write_text(str(own.started), encoding="utf-8")


def guests(folder: StackFolder) -> list[tuple[str, ProcessIdentity]]:
    """Service and process of each guest that runs."""
    found = []
    for file in folder.guests.glob("*") if folder.guests.exists() else ():
        service, _, pid = file.name.rpartition("-")
        identity = ProcessIdentity(int(pid), float(file.read_text(encoding="utf-8") or 0))
        if identity.find():
            found.append((service, identity))
        else:
            file.unlink(missing_ok=True)
    return found


def end_guests(folder: StackFolder) -> list[int]:
    """End all guests; their pids."""
    return end_processes([identity for _, identity in guests(folder) if identity.pid != os.getpid()], grace_s=_SERVICE_GRACE_S)
