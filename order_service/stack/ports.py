"""Ports on loopback: which are free, and which to take for things that no user names."""

import random
import socket

_OWN = range(20_000, 32_000)
"""Below the range from which the kernel takes ports for outgoing connections, which would borrow a port that a server left for a moment."""


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Could a server listen there now?"""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: connections in TIME_WAIT don't count
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def free_port(taken: frozenset[int] | set[int] = frozenset()) -> int:
    """A port that is free now and not among `taken`. Nothing reserves it: use it soon."""
    for port in random.sample(_OWN, len(_OWN)):
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port between {_OWN.start} and {_OWN.stop}")


def accepts(port: int, address: str = "127.0.0.1", timeout_s: float = 1.0) -> bool:
    """Does something listen there?"""
    try:
        socket.create_connection((address, port), timeout_s).close()
    except OSError:
        return False
    return True
