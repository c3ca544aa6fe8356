"""What the bench feeds the system with, and how it counts what comes out."""

import socket
import time

import pytest

from event_schemas.commands import CreateOrder
from event_schemas.decoding import decode_command
from infra.kafka.partitioner import partition_of
from notifier.websocket.connection import text_frame
from tools.bench.feed_load.clients import FeedClient, frames_of, masked
from tools.bench.feed_load.stage import age_ms, event
from tools.bench.measuring import latencies, percentile
from tools.bench.orders import bench_commands, order_bodies, unique_of
from tools.bench.stack_load.http_client import HttpConnection


def test_the_orders_are_the_same_each_time() -> None:
    assert list(order_bodies(20)) == list(order_bodies(20))


@pytest.mark.parametrize("count", [1, 20, 21, 400])
def test_one_command_in_twenty_is_a_repeat(count: int) -> None:
    commands = [decode_command(value) for _, _, value, _ in bench_commands(count, 12)]
    assert all(isinstance(command.data, CreateOrder) for command in commands)
    assert len({command.id for command in commands}) == unique_of(count)


def test_commands_stand_where_their_orders_live() -> None:
    for partition, key, value, _ in bench_commands(50, 12):
        command = decode_command(value)
        assert key == str(command.order_id).encode()
        assert partition == partition_of(str(command.order_id), 12)


def test_frames_are_found_wherever_the_bytes_are_cut() -> None:
    payloads = [b"", b"x" * 125, b"y" * 126, b"z" * 70_000, b"end"]
    stream = b"".join(text_frame(payload) for payload in payloads)
    for step in (1, 7, 130, 65_537, len(stream)):
        client = FeedClient(0, socket.socket())
        found = [frame for begin in range(0, len(stream), step) for frame in frames_of(client, stream[begin : begin + step])]
        client.socket.close()
        assert found == [(0x81, payload) for payload in payloads]
        assert client.rest == b""


def test_a_clients_frame_is_masked() -> None:
    assert masked(b"ab") == b"\x81\x82\0\0\0\0ab"
    assert masked(b"a" * 200) == b"\x81\xfe\x00\xc8\0\0\0\0" + b"a" * 200


def test_an_event_carries_when_it_was_due() -> None:
    frame = event("bench-1", due_ns=time.monotonic_ns() - 5_000_000).encoded()
    assert 5.0 <= age_ms(frame) < 5_000.0


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(number) for number in range(1000)]
    assert latencies(values) == {"p50 ms": 500.0, "p99 ms": 990.0, "p99.9 ms": 999.0}
    assert percentile([3.0], 0.999) == 3.0


async def test_an_answer_is_found_by_its_length_wherever_it_is_cut() -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello"
    for cut in range(1, len(answer)):
        connection = HttpConnection()
        connection.connection_made(_Nowhere())  # type: ignore[arg-type]
        asked = connection.request(b"POST")
        asked.send(None)
        connection.data_received(answer[:cut])
        connection.data_received(answer[cut:])
        with pytest.raises(StopIteration) as done:
            asked.send(None)
        assert done.value.value == (202, b"hello")


class _Nowhere:
    def write(self, data: bytes) -> None: ...
