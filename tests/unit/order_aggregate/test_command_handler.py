"""One fetch of commands: what is decided, what is a dead letter, what is passed by, and what makes its partition wait."""

from dataclasses import dataclass, field
from uuid import UUID

import orjson
import pytest
from aiokafka import ConsumerRecord

from event_schemas.codes import Code
from event_schemas.commands import Command
from event_schemas.decoding import decode_record
from event_schemas.events import CommandRejected, Record
from event_schemas.topics import COMMANDS
from infra.kafka.partitioner import partition_of
from infra.process.health import Health
from order_aggregate.assignment import Assignment
from order_aggregate.command_handler import CommandHandler, Ports
from order_aggregate.partition_state import PartitionState
from order_aggregate.record_appender import Outgoing
from tests.support.given import Envelope, cancel, create, ship

PARTITIONS = 3
ORDER = next(UUID(int=number) for number in range(1, 100) if partition_of(str(UUID(int=number)), PARTITIONS) == 0)
ELSEWHERE = next(UUID(int=number) for number in range(1, 100) if partition_of(str(UUID(int=number)), PARTITIONS) == 1)
_OURS = Envelope(order_id=ORDER)


@dataclass
class _Log:
    """Stands for the appender, the dead letters and the snapshots."""

    appended: list[Outgoing] = field(default_factory=list)
    letters: list[tuple[int, str]] = field(default_factory=list)
    looks: int = 0

    async def append(self, partition: int, records: list[Outgoing], place: int) -> int:
        assert place == len(self.appended)
        self.appended += records
        return place + len(records)

    async def dead_letter(self, record: ConsumerRecord, reason: str) -> None:
        self.letters.append((record.offset, reason))

    def take_due(self, partitions: dict[int, PartitionState]) -> None:
        self.looks += 1

    def records(self) -> list[Record]:
        return [decode_record(outgoing.value) for outgoing in self.appended]


class _Handled:
    """A handler of partition 0, and what it did."""

    def __init__(self) -> None:
        self.log, self.health = _Log(), Health("tests")
        ports = Ports(self._take_over, self.log, self.log.dead_letter, self.log)  # type: ignore[arg-type]
        self.handler = CommandHandler(self.health, ports, partition_count=PARTITIONS)
        self.state = PartitionState()

    async def _take_over(self, numbers: frozenset[int]) -> Assignment:
        return Assignment({0: self.state})

    async def __call__(self, *values: bytes | Command | None, key: bytes = str(ORDER).encode(), first: int = 0):
        if not self.handler.decided() and first == 0:
            assert await self.handler.assigned(frozenset({0})) == {0: 0}
        fetched = [
            ConsumerRecord(COMMANDS, 0, first + index, 0, 0, key, _bytes(value), None, 0, 0, ()) for index, value in enumerate(values)
        ]
        return await self.handler.handle({0: fetched})


def _bytes(value: bytes | Command | None) -> bytes | None:
    return value.encoded() if isinstance(value, Command) else value


def _changed(command: Command, **changes) -> bytes:
    return orjson.dumps(orjson.loads(command.encoded()) | changes)


@pytest.fixture
def handled() -> _Handled:
    return _Handled()


async def test_every_command_ends_in_one_record_under_its_key(handled):
    commands = [create(envelope=_OURS), ship(envelope=_OURS), cancel(envelope=_OURS)]
    progress = await handled(*commands)

    assert [record.command_id for record in handled.log.records()] == [command.id for command in commands]
    assert [record.type for record in handled.log.records()] == ["OrderCreated", "OrderShipped", "CommandRejected"]
    assert {outgoing.key for outgoing in handled.log.appended} == {str(ORDER).encode()}
    assert [outgoing.command_offset for outgoing in handled.log.appended] == [0, 1, 2]
    assert (progress.done, progress.reopen, progress.closed) == ({0: 3}, {}, frozenset())
    assert (handled.handler.decided(), handled.state.next_place, handled.log.letters) == ({0: 3}, 3, [])
    assert handled.state.last_value == handled.log.appended[-1].value


async def test_a_command_that_comes_again_ends_in_no_second_record(handled):
    command = create(envelope=_OURS)
    progress = await handled(command, command)

    assert (len(handled.log.appended), progress.done) == (1, {0: 2})


async def test_an_invalid_command_is_rejected_so_that_its_202_ends_in_a_record(handled):
    await handled(_changed(create(envelope=_OURS), data={}))

    (record,) = handled.log.records()
    assert isinstance(record.data, CommandRejected)
    assert (record.data.code, record.data.command_type) == (Code.INVALID_COMMAND, "CreateOrder")
    assert record.data.detail == "data: Object missing required field `customer_id`"


@pytest.mark.parametrize("value", [None, b"", b"garbage", b"{}", _changed(create(envelope=_OURS), id="x")])
async def test_what_is_no_command_is_a_dead_letter_and_the_next_one_is_decided(handled, value):
    progress = await handled(value, create(envelope=_OURS))

    ((offset, reason),) = handled.log.letters
    assert offset == 0
    assert reason.startswith("is no command")
    assert ([record.type for record in handled.log.records()], progress.done) == (["OrderCreated"], {0: 2})


async def test_a_command_under_another_key_is_a_dead_letter(handled):
    await handled(create(envelope=_OURS), key=str(ELSEWHERE).encode())

    assert handled.log.letters == [(0, "is misrouted: its key is not its order_id")]
    assert not handled.log.appended


async def test_so_is_one_on_another_orders_partition(handled):
    await handled(create(envelope=Envelope(order_id=ELSEWHERE)), key=str(ELSEWHERE).encode())

    assert handled.log.letters == [(0, "is misrouted: its order lives on partition 1")]
    assert not handled.log.appended


@pytest.mark.parametrize("later", [{"type": "ReturnOrder", "schema_version": 1}, {"schema_version": 9}])
async def test_a_later_releases_command_stops_its_partition_and_says_so(handled, later):
    progress = await handled(create(envelope=_OURS), _changed(ship(envelope=_OURS), **later), cancel(envelope=_OURS))

    assert [record.type for record in handled.log.records()] == ["OrderCreated"]
    assert (progress.done, progress.closed, handled.log.letters) == ({0: 1}, frozenset({0}), [])
    assert handled.health.state == "waiting"
    assert "order-commands-0 at 1" in (handled.health.detail or "")
    assert "deploy the later release" in (handled.health.detail or "")


async def test_after_a_hole_the_partition_is_read_again_from_the_next_command(handled):
    await handled(create(envelope=_OURS))
    progress = await handled(ship(envelope=_OURS), first=4)

    assert (progress.reopen, progress.done, len(handled.log.appended)) == ({0: 1}, {0: 1}, 1)


async def test_a_tick_looks_for_snapshots_that_are_due(handled):
    await handled()
    assert (handled.log.looks, handled.log.appended) == (1, [])
