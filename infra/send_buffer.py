"""How much the kernel holds for a client that does not read: Linux lets it grow to 4 MiB each, memory that no metric of ours shows."""

import socket

SEND_BUFFER_BYTES = 128 * 1024
"""Linux doubles it, for its own bookkeeping."""


def bound_send_buffer(end: socket.socket) -> None:
    """Hold at most about SEND_BUFFER_BYTES of what was written and not yet taken. What a listening socket accepts inherits it."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
