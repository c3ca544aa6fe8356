"""Looking single places up on a real broker: what is there, what was deleted, what is not there yet, and an outage in between."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from event_schemas.topics import COMMANDS
from infra.errors import BrokerAway
from infra.event_log import lookup as record_reader
from infra.event_log.lookup import RecordReader
from infra.kafka.clients import new_admin
from infra.process.settings import Settings
from tests.support.topics import append_bytes
from tools.local_stack.embedded.kafka import EmbeddedKafka


@pytest.fixture
async def reader(settings: Settings) -> AsyncIterator[RecordReader]:
    made = RecordReader(settings, "test-places")
    yield made
    await made.stop()


async def test_what_stands_at_a_place(reader: RecordReader, settings: Settings):
    for number in range(5):
        await append_bytes(settings, COMMANDS, b"%d" % number, partition=1)
    admin = new_admin(settings, "test-admin")
    await admin.start()
    await admin.delete_records({TopicPartition(COMMANDS, 1): RecordsToDelete(2)})
    await admin.close()

    found = await asyncio.gather(*(reader.at(COMMANDS, 1, offset) for offset in range(7)))

    assert [record and record.value for record in found] == [None, None, b"2", b"3", b"4", None, None]
    assert await reader.at(COMMANDS, 2, 0) is None
    assert [record.value for record in await reader.between(COMMANDS, 1, 0, 100)] == [b"2", b"3", b"4"]


async def test_a_broker_that_does_not_answer_is_said_in_time_and_asked_again(
    reader: RecordReader, settings: Settings, broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
):
    await append_bytes(settings, COMMANDS, b"x", partition=1)
    assert await reader.at(COMMANDS, 1, 0) is not None
    monkeypatch.setattr(record_reader, "ANSWER_S", 1.0)
    (pid,) = broker.pids
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = await asyncio.wait_for(asyncio.gather(*(reader.at(COMMANDS, 1, 0) for _ in range(20)), return_exceptions=True), 5)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert {type(answer) for answer in answers} == {BrokerAway}

    monkeypatch.setattr(record_reader, "ANSWER_S", 10.0)
    record = await reader.at(COMMANDS, 1, 0)
    assert record is not None
    assert record.value == b"x"
