"""The gateway's port."""

import socket

from infra.embedded.ports import free_port
from infra.send_buffer import SEND_BUFFER_BYTES
from infra.settings import Settings
from order_service.gateway import _listen


def test_the_kernel_holds_little_for_a_client_that_does_not_read() -> None:
    """A stream of `GET /feed` to such a client would otherwise take up to 4 MiB that no metric shows."""
    with _listen(Settings(ORDERS_HTTP_PORT=free_port(set()))) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES
            assert client.getpeername() == listener.getsockname()
