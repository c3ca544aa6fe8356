"""What one client may try against the gateway's port: each gives back the status lines that it was answered with."""

import itertools
import json
import socket
import string
import sys
import time
from collections import Counter

ORDER = {"customer_id": "a", "currency": "EUR", "lines": [{"sku": "t", "quantity": 1, "unit_price": "1"}]}
CUT_OFF = "cut off"


def _post(body: bytes, headers: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return (
        b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + headers
        + b"Content-Length: "
        + length
        + b"\r\n\r\n"
        + body
    )


def _said(client: socket.socket) -> str:
    try:
        return client.recv(65_536).split(b"\r\n", 1)[0].decode() or CUT_OFF
    except OSError:
        return CUT_OFF


def _send(port: int, first: bytes, piece: bytes = b"", times: int = 0) -> str:
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        try:
            client.sendall(first)
            for _ in range(times):
                client.sendall(piece)
        except OSError:
            return CUT_OFF
        return _said(client)


def long_traceparent(port: int) -> list[str]:
    """Finding 1: one header of 1 MB."""
    trace = b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01-" + b"x" * 1_047_800 + b"\r\n"
    return [_send(port, _post(json.dumps(ORDER).encode(), trace))]


def repeated_names(port: int) -> list[str]:
    """Finding 2: 30,000 members, the last named twice."""
    names = ["".join(one) for one in itertools.islice(itertools.product(string.ascii_letters + string.digits, repeat=3), 30_000)]
    return [_send(port, _post(("{" + ",".join(f'"{name}":0' for name in [*names, names[-1]]) + "}").encode()))]


def large_heads(port: int, mib: int = 8) -> list[str]:
    """Finding 3: many short headers, a long target, one long `Prefer`."""
    head = b"POST /orders HTTP/1.1\r\nHost: x\r\n"
    short, long = (b"a:b\r\n" * 13_107, 16 * mib), (b"a," * 32_768, 16 * mib)
    return [_send(port, head, *short), _send(port, b"GET /", *long), _send(port, head + b"Prefer: ", *long)]


def slow_heads(port: int, count: int = 300) -> list[str]:
    """Finding 3: heads that never end. The answers come when the time of a head is up."""
    clients = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(count)]
    for client in clients:
        client.sendall(b"POST /orders HTTP/1.1\r\nHost: x\r\nX-A: ")
    said = [_said(client) for client in clients]
    for client in clients:
        client.close()
    return said


def many_faults(port: int, count: int = 40) -> list[str]:
    """Finding 4: 85,000 faulty lines on each of many connections that are read only at the end."""
    body = b'{"customer_id":"a","currency":"EUR","lines":[' + b",".join([b"{}"] * 85_000) + b"]}"
    clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(count)]
    for client in clients:
        client.sendall(_post(body))
    said = [_said(client) for client in clients]
    for client in clients:
        client.close()
    return said


QUICK = (long_traceparent, repeated_names, large_heads, many_faults)


def main() -> None:
    """`python -m tests.support.attacks PORT SECONDS`: all of them in turn, one client's worth, until the time is up."""
    port, until, said = int(sys.argv[1]), time.monotonic() + float(sys.argv[2]), Counter[str]()
    while time.monotonic() < until:
        for attack in QUICK:
            said.update(attack(port))
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
