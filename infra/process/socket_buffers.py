"""What the kernel holds for one client: Linux lets it grow to several MiB each way, memory that no metric of ours shows."""

import socket

SEND_BUFFER_BYTES = 128 * 1024
"""Linux doubles it, for its own bookkeeping."""
RECEIVE_BUFFER_BYTES = 128 * 1024
"""The same. Half a body of the largest size fits; the rest comes as fast as it is read."""
SEGMENT_BYTES = 16 * 1024
"""Networks have less anyway. On loopback segments have 64 KiB, and a client's own kernel takes 40 of them ahead: 2.6 MiB on their way
from a client that was refused after 16 KiB.
"""


def bound_send_buffer(end: socket.socket) -> None:
    """Hold at most about SEND_BUFFER_BYTES of what was written and not yet taken. What a listening socket accepts inherits it."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def bound_receive_buffer(listener: socket.socket) -> None:
    """Hold at most about RECEIVE_BUFFER_BYTES of what a client sent and nobody has read yet, such as the rest of a refused head.

    What the socket accepts inherits it.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
