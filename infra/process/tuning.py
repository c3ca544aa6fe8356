"""What a process asks of Python and Linux: few looks for unreachable cycles, small buffers of sockets, many open files."""

import gc
import os
import resource
import socket
from contextlib import suppress

YOUNG = 50_000
"""The young objects are looked through once so many more objects were made than freed; Python's own default is 700 (2,000 from 3.13 on)."""
FEW_YOUNG = 5_000
"""For a process whose clients wait for single answers: a look at 50,000 objects that stay stops all of them for 10 ms and more."""
_OLDER, _OLDEST = 20 * YOUNG, 50


def collect_rarely(young: int = YOUNG) -> None:
    """Let the collector leave out what was made up to now, and look at the rest less often. To be called once, when all is imported.

    Messages hold no cycles: they are freed by counting references, and every look at them is in vain. With Python's defaults these
    looks took 40 to 50 % of decoding 5,000 commands (measured alone, not in a worker; docs/performance.md). `young`: how many objects
    one of the usual looks goes through.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, _OLDER // young, _OLDEST)


def interrupt_nobody() -> None:
    """Let this process, when it wakes, wait for a free processor rather than interrupt another process (Linux's SCHED_BATCH).

    To be called before threads and subprocesses start, which inherit it. For work that no client waits for at once: it gets as much
    of the processors as before, only not in the middle of an answer. Where the system has no such thing, or refuses it, nothing changes.
    """
    if hasattr(os, "sched_setscheduler"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


SEND_BUFFER_BYTES = 128 * 1024
"""Linux doubles it, for its own bookkeeping."""
RECEIVE_BUFFER_BYTES = 128 * 1024
"""Linux doubles it, too. Half a body of the largest size fits; the rest comes as fast as it is read."""
SEGMENT_BYTES = 16 * 1024
"""Networks have less anyway. On loopback segments have 64 KiB, and a client's own kernel takes 40 of them ahead: 2.6 MiB on their way
from a client that was refused after 16 KiB.
"""


def bound_send_buffer(end: socket.socket) -> None:
    """Hold at most about SEND_BUFFER_BYTES of what was written and not yet taken. What a listening socket accepts inherits it."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def bound_receive_buffer(listener: socket.socket) -> None:
    """Hold at most about RECEIVE_BUFFER_BYTES of what a client sent and nothing has read yet, such as the rest of a refused head.

    What the socket accepts inherits it.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


class TooFewFiles(Exception):
    """The hard limit is below what is needed; the text says what to do."""


def allow_many_files(at_least: int = 0) -> None:
    """Allow as many open files as this user may have, here and in processes started from now on. Raises TooFewFiles below `at_least`.

    The usual soft limit, 1,024, is for programs that use `select`.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < at_least:
        raise TooFewFiles(f"this needs {at_least} open files, the hard limit is {most}: raise it (ulimit -Hn) or ask for fewer clients")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
