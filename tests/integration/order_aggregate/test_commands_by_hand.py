"""Commands that somebody wrote into the topic by hand, before a real worker: none ends it, and what stands behind them is decided."""

import json

from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS
from infra.kafka.partitioner import partition_of
from infra.kafka.topic_guard import create_topics
from tests.support.by_hand import with_members_twice, written_by_hand
from tests.support.given import ORDER, create
from tests.support.service_process import eventually
from tests.support.topics import append_bytes, append_commands, read_topic

_PARTITIONS = 4


async def test_commands_by_hand_end_in_a_rejection_or_a_dead_letter_and_those_behind_them_are_decided(settings, start_worker):
    await create_topics(settings)
    key = str(ORDER).encode()
    partition = partition_of(str(ORDER), _PARTITIONS)
    by_hand = written_by_hand(ORDER)
    for written in by_hand.values():
        await append_bytes(settings, COMMANDS, written.value, key=key, partition=partition)
    await append_bytes(settings, COMMANDS, None, key=key, partition=partition)
    good = create()
    await append_commands(settings, [good], _PARTITIONS)
    await append_bytes(settings, COMMANDS, with_members_twice(ORDER), key=key, partition=partition)
    worker = start_worker()

    async def decided():
        return any(json.loads(record.value)["type"] == "OrderShipped" for record in await read_topic(settings, EVENTS, _PARTITIONS))

    await eventually(decided, 40.0, lambda: worker.log.read_text()[-2000:])
    records = [json.loads(record.value) for record in await read_topic(settings, EVENTS, _PARTITIONS)]
    letters = await read_topic(settings, DEAD_LETTERS, _PARTITIONS)

    *rejections, created, shipped = records
    rejected = [written for written in by_hand.values() if written.rejected]
    assert len(rejections) == len(rejected)
    for record, written in zip(rejections, rejected, strict=True):
        assert record["data"]["code"] == "invalid_command"
        assert written.reason in record["data"]["detail"]
    aside = [written for written in by_hand.values() if not written.rejected]
    assert [letter.value for letter in letters] == [*(written.value for written in aside), None]
    for letter, written in zip(letters, aside, strict=False):
        assert written.reason in " ".join(text.decode() for _, text in letter.headers)
    assert (created["type"], created["command_id"], created["version"]) == ("OrderCreated", str(good.id), 1)
    assert (shipped["data"]["tracking_number"], shipped["version"]) == ("last", 2)
    assert worker.process is not None
    assert worker.process.poll() is None, "the worker went on by itself"
