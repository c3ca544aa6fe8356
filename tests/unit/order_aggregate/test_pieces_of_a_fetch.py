"""A fetch is decided and appended in pieces: each piece after the one before, and nothing is done before all of them count."""

import asyncio
import itertools
from types import SimpleNamespace

import pytest

from infra.process.health import Health
from order_aggregate import command_handler
from order_aggregate.assignment import Assignment
from order_aggregate.command_handler import CommandHandler, Ports
from order_aggregate.partition_state import PartitionState
from tools.bench.orders import bench_commands, unique_of

COMMANDS, PIECE = 25, 10


class _Log:
    """An appender that acknowledges when it is let."""

    def __init__(self) -> None:
        self.lets = asyncio.Event()
        self.begun: list[tuple[int, int]] = []
        self.cancelled = 0
        self.in_flight = self.most_in_flight = 0

    async def append(self, _partition, records, place):
        self.begun.append((place, len(records)))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.lets.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1
        return place + len(records)


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(command_handler, "PIECE", PIECE)
    return _Log()


@pytest.fixture
async def handler(log):
    async def take_over(numbers):
        return Assignment({number: PartitionState() for number in numbers}, {})

    ports = Ports(take_over, log, None, SimpleNamespace(take_due=lambda _: None))
    handler = CommandHandler(Health("order_aggregate"), ports, partition_count=1)
    await handler.assigned(frozenset({0}))
    return handler


def _fetch():
    rows = itertools.islice(bench_commands(COMMANDS, 1), COMMANDS)
    return {
        0: [
            SimpleNamespace(topic="order-commands", partition=0, offset=offset, timestamp=0, key=key, value=value, headers=())
            for offset, (_, key, value, _) in enumerate(rows)
        ]
    }


async def _settled():
    for _ in range(50):
        await asyncio.sleep(0)


async def test_pieces_are_appended_one_after_the_other_at_the_places_that_follow(handler, log):
    log.lets.set()

    progress = await handler.handle(_fetch())

    assert progress.done == {0: COMMANDS}
    assert log.begun == [(0, 10), (10, 10), (20, unique_of(COMMANDS) - 20)]
    assert log.most_in_flight == 1


async def test_the_first_piece_is_on_its_way_while_the_next_are_decided_and_nothing_is_done_before_all_count(handler, log):
    handling = asyncio.create_task(handler.handle(_fetch()))
    await _settled()

    assert log.begun == [(0, 10)]
    assert not handling.done()
    assert handler.decided() == {}

    log.lets.set()
    await handling
    assert handler.decided() == {0: COMMANDS}


async def test_a_cancelled_fetch_appends_nothing_more(handler, log):
    handling = asyncio.create_task(handler.handle(_fetch()))
    await _settled()

    handling.cancel()
    await asyncio.wait({handling})
    log.lets.set()
    await _settled()

    assert log.begun == [(0, 10)]
    assert log.cancelled == 1
