"""How much the kernel holds for a client that does not read: Linux lets it grow to 4 MiB each, memory that no metric of ours shows."""

import asyncio
import socket

SEND_BUFFER_BYTES = 128 * 1024
"""Linux doubles it, for its own bookkeeping."""


def bound_send_buffer(transport: asyncio.BaseTransport) -> None:
    """Hold at most about SEND_BUFFER_BYTES of what was written and not yet taken."""
    end: socket.socket | None = transport.get_extra_info("socket")
    if end is not None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
