"""Place, displaced, and what is told of a record: each guard taken out on a real log, and its twin with the guard.

"Nets off" says which other guard would have hidden the damage and is off in the same test.
"""

import asyncio
from dataclasses import replace

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber

from event_schemas.recorded import RecordedMessage, classify
from event_schemas.topics import EVENTS
from order_aggregate.record_appender import RecordAppender
from tests.integration.guards.bench import Ended, LosingProducer
from tests.support.given import create, ship


def by_place(record: ConsumerRecord) -> RecordedMessage | None:
    """The product's gate."""
    verdict = classify(record)
    return verdict if isinstance(verdict, RecordedMessage) else None


def wherever_it_stands(record: ConsumerRecord) -> RecordedMessage | None:
    """The gate without the look at the place: every readable envelope counts."""
    headers = (("place", b"%d" % record.offset), *(header for header in record.headers if header[0] != "place"))
    return by_place(replace(record, headers=headers))


async def _a_frozen_writer_wakes(bench):
    """Two workers hold the same commands; one decides them while the other is frozen, which then does so too."""
    order = bench.order()
    await bench.send(create(envelope=order), ship(envelope=order))
    frozen, owner = bench.worker(), bench.worker()
    await frozen.take_over()
    await owner.take_over()
    fetch = await bench.commands()
    await owner.handle(fetch)
    return await _outcome(frozen.handle(fetch))


async def _outcome(work):
    try:
        await work
    except Ended as ended:
        return str(ended)
    return "went on"


async def test_without_the_look_at_the_place_a_woken_writer_doubles_commands(bench):
    await _a_frozen_writer_wakes(bench)

    assert list((await bench.endings(wherever_it_stands)).values()) == [2, 2]


async def test_with_the_look_at_the_place_what_a_woken_writer_appends_counts_nowhere(bench):
    await _a_frozen_writer_wakes(bench)

    assert list((await bench.endings(by_place)).values()) == [1, 1]
    assert (await bench.verdict()).clean


async def test_without_the_look_for_another_owner_a_woken_writer_appends_again_and_doubles(bench, monkeypatch):
    async def not_looked(*_):
        pass

    monkeypatch.setattr(RecordAppender, "_end_if_another_owner", not_looked)

    assert await _a_frozen_writer_wakes(bench) == "went on"
    assert len((await bench.verdict()).doubled) == 2


async def test_with_the_look_for_another_owner_a_woken_writer_ends(bench):
    assert "another owner is ahead" in await _a_frozen_writer_wakes(bench)
    assert (await bench.verdict()).doubled == []


async def _garbage_displaces(bench):
    worker = bench.worker()
    await worker.take_over()
    await bench.write(EVENTS, b"not ours")
    await bench.send(create(envelope=bench.order()))
    return await worker.handle(await bench.commands())


async def test_without_appending_again_a_displaced_record_is_lost_though_told_as_done(bench, monkeypatch):
    async def once(self, partition, records, place):
        return (await self._delivered(await self._send(partition, records, place)))[-1]

    monkeypatch.setattr(RecordAppender, "append", once)
    progress = await _garbage_displaces(bench)

    assert progress.done == {bench.number: 1}
    assert (await bench.verdict()).lost == [str(bench.sent[0].id)]


async def test_with_appending_again_a_displaced_record_gets_another_place(bench):
    await _garbage_displaces(bench)

    verdict = await bench.verdict()
    assert (verdict.clean, verdict.counted, verdict.void) == (True, 1, 2)


async def _a_batch_never_arrives(bench, failure=None):
    await bench.send(create(envelope=bench.order()))
    worker = bench.worker(producer=LosingProducer(bench.producer, losing=1, failure=failure))
    await worker.take_over()
    return await worker.handle(await bench.commands())


async def test_without_awaiting_a_delivery_a_command_is_told_as_done_that_the_log_does_not_have(bench, monkeypatch):
    """FAUST.md 3: a flush that gives up, then a commit."""

    async def not_awaited(_self, sent):
        return [batch.place + len(batch.records) for batch in sent]

    monkeypatch.setattr(RecordAppender, "_delivered", not_awaited)
    progress = await _a_batch_never_arrives(bench)

    assert progress.done == {bench.number: 1}
    assert len((await bench.verdict()).lost) == 1


async def test_with_awaiting_a_delivery_nothing_is_told_and_the_process_ends(bench, monkeypatch):
    monkeypatch.setattr("order_aggregate.record_appender.ACKNOWLEDGED_WITHIN_S", 0.2)

    with pytest.raises(Ended, match="did not acknowledge"):
        await _a_batch_never_arrives(bench)
    await bench.owner()
    assert (await bench.verdict()).clean


async def _the_first_of_two_batches_is_refused(bench, monkeypatch):
    """Only the first: the broker takes the one behind it (FAUST.md 4)."""
    monkeypatch.setattr(bench.producer._message_accumulator, "_batch_size", 900)  # one record a batch
    await bench.send(create(envelope=bench.order()), create(envelope=bench.order()))
    worker = bench.worker(producer=LosingProducer(bench.producer, losing=1, failure=OutOfOrderSequenceNumber()))
    await worker.take_over()
    return await worker.handle(await bench.commands())


async def test_without_ending_on_a_refused_batch_its_command_is_passed_and_lost(bench, monkeypatch):
    """Nets off: `place`, which makes the batch behind the refused one void."""

    async def whatever_came(_self, sent):
        await asyncio.gather(*(batch.delivery for batch in sent), return_exceptions=True)
        return [batch.place + len(batch.records) for batch in sent]

    monkeypatch.setattr(RecordAppender, "_delivered", whatever_came)
    progress = await _the_first_of_two_batches_is_refused(bench, monkeypatch)

    assert progress.done == {bench.number: 2}
    assert list(await bench.endings(wherever_it_stands)) == [str(bench.sent[1].id)], "the second without the first"


async def test_with_a_refused_batch_the_process_ends_and_the_next_one_decides_both(bench, monkeypatch):
    with pytest.raises(KafkaError):
        await _the_first_of_two_batches_is_refused(bench, monkeypatch)
    await bench.owner()
    verdict = await bench.verdict()

    assert (verdict.clean, verdict.counted, verdict.void) == (True, 2, 1)


async def test_without_ending_when_every_send_is_refused_an_aggregate_never_decides_again(bench):
    """aiokafka issue 1017: after an outage an idempotent producer may refuse everything, for ever."""
    await bench.send(create(envelope=bench.order()))
    worker = bench.worker(producer=LosingProducer(bench.producer, losing=5, failure=OutOfOrderSequenceNumber()))

    for _ in range(5):
        await worker.take_over()
        with pytest.raises(OutOfOrderSequenceNumber):  # leaves `handle`: infra/faust/worker.py ends the process
            await worker.handle(await bench.commands())
    assert len((await bench.verdict()).lost) == 1


async def test_with_a_new_process_the_refused_command_is_decided(bench):
    await bench.send(create(envelope=bench.order()))
    worker = bench.worker(producer=LosingProducer(bench.producer, losing=1, failure=OutOfOrderSequenceNumber()))
    await worker.take_over()
    with pytest.raises(OutOfOrderSequenceNumber):
        await worker.handle(await bench.commands())

    await bench.owner()

    assert (await bench.verdict()).clean
