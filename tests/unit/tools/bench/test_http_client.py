"""The bench's own HTTP client: what it does when the server is about to close a connection."""

import asyncio
from types import SimpleNamespace

import pytest

from tools.bench.stack_load.http_client import HttpClient, post

_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize(("idle_s", "connections"), [(1.0, 1), (4.0, 2)])
async def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch, idle_s, connections):
    """A POST on it could meet the server's closing, and would count as an error that no client need see."""
    opened = 0

    async def serve(reader, writer):
        nonlocal opened
        opened += 1
        while await reader.readuntil(b"{}"):
            writer.write(_ANSWER)

    now = [100.0]
    monkeypatch.setattr("tools.bench.stack_load.http_client.time", SimpleNamespace(monotonic=lambda: now[0]))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = HttpClient(server.sockets[0].getsockname()[1])
    try:
        assert (await client.request(post("/orders", {}))).status == 202
        now[0] += idle_s
        assert (await client.request(post("/orders", {}))).status == 202
    finally:
        client.close()
        server.close()

    assert opened == connections
