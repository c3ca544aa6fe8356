"""Dead letters on a real broker: kept byte for byte, listed once, and what the command line does with them."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS
from infra.event_log.dead_letters import DeadLetter, DeadLetters, Headers, Place, RawRecord, Settled, append_bytes, read_dead_letters
from infra.event_log.reader import log_ends, read_ranges
from infra.kafka.clients import new_producer, new_reader
from infra.kafka.topic_guard import create_topics, wait_for_topics
from infra.process.health import Health
from infra.process.settings import Settings
from tests.support.records import create_topic

JUNK = bytes(range(256)) * 3
CHECKOUT = Path(__file__).parents[3]


@dataclass
class Board:
    """Where dead letters come from and go to."""

    settings: Settings
    producer: AIOKafkaProducer
    letters: str

    async def record(self, topic: str, value: bytes | None, key: bytes | None = None, headers: Headers = ()) -> ConsumerRecord:
        """Append bytes as someone would by hand, and read them back as a service does."""
        sent = await append_bytes(self.producer, topic, 0, RawRecord(key, value, headers))
        reader = new_reader(self.settings, "tests")
        await reader.start()
        try:
            async for _, records in read_ranges(reader, {sent.partition: (sent.offset, sent.offset + 1)}, topic):
                return records[0]
        finally:
            await reader.stop()
        raise AssertionError("it was there")

    async def all(self) -> list[DeadLetter | Settled]:
        """What can be read."""
        return [one async for one in read_dead_letters(self.settings, self.letters)]


@pytest.fixture
async def board(kafka_servers: str) -> AsyncIterator[Board]:
    """A board of its own, for topics of the run."""
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS=kafka_servers, ORDERS_REPLICATION=1)
    await create_topics(settings)
    await wait_for_topics(settings, Health("tests"))
    letters = f"test-letters-{uuid4().hex[:8]}"
    await create_topic(settings, letters, partitions=3)
    producer = new_producer(settings, "tests")
    await producer.start()
    yield Board(settings, producer, letters)
    await producer.stop()


async def test_a_dead_letter_is_the_record_unchanged_with_where_and_why(board: Board) -> None:
    headers = (("dead_letter_reason", b"an older one"), ("place", b"\xff"), ("place", b""))
    record = await board.record(COMMANDS, JUNK, b"\x00key", headers)
    await DeadLetters(board.producer, "order_aggregate", board.letters).append(record, "is no command: ü\n")

    (letter,) = await board.all()
    assert isinstance(letter, DeadLetter)
    assert letter.original == RawRecord(b"\x00key", JUNK, headers)
    assert letter.place == Place(COMMANDS, record.partition, record.offset)
    assert (letter.reason, letter.by, letter.timestamp_ms) == ("is no command: ü\n", "order_aggregate", record.timestamp)


async def test_records_without_key_or_value_are_kept_too(board: Board) -> None:
    record = await board.record(COMMANDS, None)
    await DeadLetters(board.producer, "x", board.letters).append(record, "no value")
    (letter,) = await board.all()
    assert isinstance(letter, DeadLetter)
    assert letter.original == RawRecord(None, None)


async def test_headers_without_a_value_are_kept(board: Board) -> None:
    headers: Headers = (("empty", None), ("h", b"1"))  # type: ignore[assignment]
    record = await board.record(COMMANDS, JUNK, None, headers)
    await DeadLetters(board.producer, "x", board.letters).append(record, "why")
    (letter,) = await board.all()
    assert isinstance(letter, DeadLetter)
    assert letter.original.headers == headers


async def test_repeats_and_foreign_records_are_passed_by(board: Board) -> None:
    letters = DeadLetters(board.producer, "x", board.letters)
    record = await board.record(COMMANDS, JUNK)
    await board.producer.send_and_wait(board.letters, b"foreign", b"k")
    await letters.append(record, "once")
    await letters.append(record, "twice")
    await letters.settle(Place(COMMANDS, record.partition, record.offset), "discarded")

    found = await board.all()
    assert [one.place.offset for one in found if isinstance(one, DeadLetter)] == [record.offset]
    assert [one.resolution for one in found if isinstance(one, Settled)] == ["discarded"]


async def test_the_largest_record_that_a_topic_takes_can_become_a_dead_letter(board: Board) -> None:
    record = await board.record(COMMANDS, b"x" * 1_048_000)
    await DeadLetters(board.producer, "x", DEAD_LETTERS).append(record, "too large for anyone")


async def test_an_append_that_the_broker_refuses_is_not_hidden(board: Board) -> None:
    record = await board.record(COMMANDS, JUNK)
    narrow = f"test-narrow-{uuid4().hex[:8]}"
    await create_topic(board.settings, narrow, config={"max.message.bytes": "100"})
    with pytest.raises(KafkaError):
        await DeadLetters(board.producer, "x", narrow).append(record, "does not fit")


Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def orders(kafka_servers: str, tmp_path: Path) -> Run:
    """Run `./orders dead-letters …` as a user does."""

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        own = {"KAFKA_BOOTSTRAP_SERVERS": kafka_servers, "ORDERS_HOME": str(tmp_path / "home"), "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-m", "order_service", "dead-letters", *arguments]
        return subprocess.run(command, env=os.environ | own, cwd=tmp_path, capture_output=True, timeout=60, check=False)

    return run


async def test_list_show_retry_and_discard(board: Board, orders: Run) -> None:
    key = str(uuid4()).encode()
    record = await board.record(COMMANDS, JUNK, key, (("h", b"1"),))
    on_log = await board.record(EVENTS, b"junk")
    letters = DeadLetters(board.producer, "order_aggregate")
    await letters.append(record, "is no command: \x1b[31mred")
    await letters.append(on_log, "is no record")
    command_id, record_id = f"{COMMANDS}/{record.partition}/{record.offset}", f"{EVENTS}/{on_log.partition}/{on_log.offset}"

    listed = orders("list")
    assert listed.returncode == 0, listed.stderr
    assert command_id in listed.stdout.decode()
    assert b"\x1b" not in listed.stdout
    found = {one["id"]: one for one in map(orjson.loads, orders("list", "--json").stdout.splitlines())}
    assert (found[command_id]["size"], found[command_id]["resolution"], found[command_id]["by"]) == (768, None, "order_aggregate")

    shown = orders("show", command_id)
    assert b"00 01 02 03" in shown.stdout
    assert b"h = 1" in shown.stdout
    assert orders("show", command_id, "--raw").stdout == JUNK

    refused = orders("retry", record_id)
    assert refused.returncode == 1
    assert b"only the aggregate writes it" in refused.stderr

    before = await _ends(board.settings, COMMANDS)
    retried = orders("retry", command_id)
    assert retried.returncode == 0, retried.stderr
    after = await _ends(board.settings, COMMANDS)
    (partition,) = [partition for partition, end in after.items() if end > before[partition]]
    again = await _record_at(board.settings, COMMANDS, partition, before[partition])
    assert (again.key, again.value, again.headers) == (key, JUNK, (("h", b"1"),))
    assert f"{COMMANDS}/{partition}/{before[partition]}" in retried.stdout.decode()

    assert orders("discard", record_id).returncode == 0
    remaining = orders("list").stdout.decode()
    assert command_id not in remaining
    assert record_id not in remaining
    everything = {one["id"]: one["resolution"] for one in map(orjson.loads, orders("list", "--all", "--json").stdout.splitlines())}
    assert (everything[command_id], everything[record_id]) == ("retried", "discarded")


def test_wrong_use_and_what_is_not_there(board: Board, orders: Run) -> None:
    assert orders("show", "nonsense").returncode == 2
    assert orders("show", f"{COMMANDS}/0/999999").returncode == 1
    assert orders("retry", f"{COMMANDS}/0/999999").returncode == 1
    assert orders("discard", "order-commands/0").returncode == 2


async def _ends(settings: Settings, topic: str) -> dict[int, int]:
    reader = new_reader(settings, "tests")
    await reader.start()
    try:
        return await log_ends(reader, topic)
    finally:
        await reader.stop()


async def _record_at(settings: Settings, topic: str, partition: int, offset: int) -> ConsumerRecord:
    reader = new_reader(settings, "tests")
    await reader.start()
    try:
        reader.assign([TopicPartition(topic, partition)])
        reader.seek(TopicPartition(topic, partition), offset)
        return await reader.getone()
    finally:
        await reader.stop()
