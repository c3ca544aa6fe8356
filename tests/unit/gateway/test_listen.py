"""The gateway's port."""

import socket
from contextlib import suppress

from gateway.app import _listen
from infra.process.settings import Settings
from infra.process.tuning import RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES
from tools.local_stack.ports import free_port


def test_the_kernel_holds_little_for_a_client_that_does_not_read() -> None:
    """A stream of `GET /feed` to such a client would otherwise take up to 4 MiB that no metric shows."""
    with _listen(Settings(ORDERS_HTTP_PORT=free_port(set()))) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES
            assert client.getpeername() == listener.getsockname()


def test_little_is_on_its_way_from_a_client_that_is_not_read() -> None:
    """What it can have sent before it learns that its head was refused; without the bounds it is about 5 MiB on loopback."""
    with _listen(Settings(ORDERS_HTTP_PORT=free_port(set()))) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * RECEIVE_BUFFER_BYTES
            client.settimeout(0.2)
            sent = 0
            with suppress(TimeoutError):
                while sent < 2**25:
                    sent += client.send(b"a" * 4096)
            assert sent < 1.5 * 2**20
