"""End a stack from outside: ask its supervisor, and do its work where there is none."""

import time

from order_service.stack.folder import AlreadyRuns, StackFolder
from order_service.stack.leftovers import end_guests, end_leftovers
from order_service.stack.process_identity import end_processes
from order_service.stack.record import read_record

_SUPERVISOR_GRACE_S = 9.0
_NAMED_S = 1.0


def end_stack(folder: StackFolder) -> str:
    """End every process of the stack in this folder, within 10 s unless something is frozen; what was done, in a sentence."""
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
        # A supervisor of an earlier release may not have said in the lock who it is, but it keeps a record.
        recorded = read_record(folder)
        if supervisor := folder.holder() or (recorded.supervisor if recorded else None):
            end_processes([supervisor], grace_s=_SUPERVISOR_GRACE_S, children=False)
            return
        time.sleep(0.05)
