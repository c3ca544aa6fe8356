"""What a decision rests on, and what may be passed by: each guard taken out on a real log, and its twin."""

from dataclasses import replace

import pytest
from aiokafka.errors import KafkaError

from event_schemas.decoding import decode_command, decode_record
from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS
from infra.errors import LogUnreadable
from infra.event_log import dead_letters, partition_fold
from infra.event_log import reader as log_reader
from infra.event_log.dead_letters import read_dead_letters
from infra.kafka.clients import new_reader
from infra.kafka.partitioner import partition_of
from order_aggregate import snapshots as snapshots_module
from order_aggregate.command_handler import CommandHandler
from order_aggregate.partition_state import PartitionState
from order_aggregate.snapshot_file import read_snapshot, write_snapshot
from order_aggregate.snapshots import Snapshots
from tests.integration.guards.bench import PARTITIONS, LosingProducer
from tests.support.given import Envelope, create, ship


async def _types(bench) -> list[str]:
    return [decode_record(record.value).type for record in await bench.read(EVENTS)]


# Routed


async def _a_misrouted_command(bench):
    """An order's second command stands on another partition, where nothing is known of the order."""
    elsewhere = create(envelope=Envelope())
    assert partition_of(str(elsewhere.order_id), PARTITIONS) != bench.number
    await bench.send(elsewhere, create(envelope=bench.order()))
    await bench.owner()
    bench.sent.remove(elsewhere)
    return str(elsewhere.order_id).encode()


async def test_without_the_look_at_the_route_an_order_gets_a_second_history_on_another_partition(bench, monkeypatch):
    monkeypatch.setattr("order_aggregate.command_handler._readable", lambda kafka_record, _partitions: decode_command(kafka_record.value))
    key = await _a_misrouted_command(bench)

    assert key in [record.key for record in await bench.read(EVENTS)]


async def test_with_the_look_at_the_route_a_misrouted_command_is_a_dead_letter(bench):
    key = await _a_misrouted_command(bench)

    assert key not in [record.key for record in await bench.read(EVENTS)]
    assert key in [one.original.key async for one in read_dead_letters(bench.settings) if one.place.partition == bench.number]
    assert (await bench.verdict()).clean


# Rejections are records (FAUST.md 15)


async def _a_rejected_command_comes_again(bench):
    """A shipment comes before its order, and again after it; between the two the worker is another one."""
    order = bench.order()
    shipment = ship(envelope=order)
    await bench.send(shipment, create(envelope=order))
    await bench.owner()
    await bench.send(shipment)
    await bench.owner()
    return await _types(bench)


async def test_without_recording_a_rejection_a_command_that_was_refused_is_later_accepted(bench, monkeypatch):
    append = CommandHandler._append

    async def only_events(self, number, partition, outgoing):
        await append(self, number, partition, [one for one in outgoing if b'"CommandRejected"' not in one.value])

    monkeypatch.setattr(CommandHandler, "_append", only_events)

    assert await _a_rejected_command_comes_again(bench) == ["OrderCreated", "OrderShipped"]


async def test_with_a_record_for_a_rejection_it_stays_refused(bench):
    assert await _a_rejected_command_comes_again(bench) == ["CommandRejected", "OrderCreated"]


# One unbroken fold (FAUST.md 18, 33)


def _drop_a_record(monkeypatch) -> None:
    """What Faust's recovery does when its queue is cleared: the fold gets the last record without the one before."""

    def dropping(*arguments):
        reader = new_reader(*arguments)
        getmany = reader.getmany

        async def some(*parts, **limits):
            return {tp: records[1:] for tp, records in (await getmany(*parts, **limits)).items()}

        reader.getmany = some
        return reader

    monkeypatch.setattr(partition_fold, "new_reader", dropping)


async def _an_order_is_placed_twice_with_a_fold_between(bench, monkeypatch):
    order = bench.order()
    await bench.send(create(envelope=order), create(envelope=bench.order()))
    await bench.owner()
    await bench.send(create(envelope=order))
    with monkeypatch.context() as dropped:
        _drop_a_record(dropped)
        await bench.owner()


async def test_without_one_unbroken_fold_a_part_of_the_log_is_called_all_of_it_and_an_order_forks(bench, monkeypatch):
    def whatever(_top, bounds, records):
        """As many as were asked for have come, whichever they were."""
        return [*records, *[replace(records[-1], headers=())] * (bounds[1] - bounds[0] - len(records))]

    monkeypatch.setattr(log_reader, "_wanted", whatever)
    await _an_order_is_placed_twice_with_a_fold_between(bench, monkeypatch)
    monkeypatch.undo()

    assert (await bench.verdict()).version_gaps, "a second OrderCreated of version 1"


async def test_with_one_unbroken_fold_a_hole_in_it_is_an_error(bench, monkeypatch):
    with pytest.raises(LogUnreadable, match="hole at offset 0"):
        await _an_order_is_placed_twice_with_a_fold_between(bench, monkeypatch)
    await bench.owner()

    assert (await bench.verdict()).clean


# Snapshots


async def _snapshot(bench, worker) -> Snapshots:
    """Write the snapshot of what this worker holds now."""
    snapshots = Snapshots(bench.settings, every_records=1)
    snapshots.take_due(worker.aggregate._partitions)
    assert snapshots._writing is not None
    await snapshots._writing
    return snapshots


def _rewrite(bench, change) -> None:
    """Change a snapshot's head and sections, checksum and all."""
    (path,) = bench.settings.snapshot_folder.iterdir()
    head, sections = read_snapshot(path) or ({}, [])
    change(head, sections)
    write_snapshot(path, head, sections)


async def _an_order_after_a_snapshot(bench, damage):
    """Place an order, write a snapshot, damage it, and place the same order again through a new worker."""
    order = bench.order()
    await bench.send(create(envelope=order))
    await _snapshot(bench, await bench.owner())
    damage()
    await bench.send(create(envelope=order))
    await bench.owner()
    return (await bench.verdict()).version_gaps


def _flip_the_order(bench):
    """One bit of the order's id, in the middle of the sections."""

    def flip() -> None:
        (path,) = bench.settings.snapshot_folder.iterdir()
        raw, key = path.read_bytes(), bench.sent[0].order_id.bytes
        at = raw.index(key)
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])

    return flip


async def test_without_the_checksum_a_flipped_bit_in_a_snapshot_forks_an_order(bench, monkeypatch):
    monkeypatch.setattr("order_aggregate.snapshot_file._checksum", lambda _content: bytes(32))

    assert await _an_order_after_a_snapshot(bench, _flip_the_order(bench))


async def test_with_the_checksum_a_flipped_bit_costs_a_longer_fold(bench):
    assert await _an_order_after_a_snapshot(bench, _flip_the_order(bench)) == []


def _of_an_older_fold(bench):
    def older() -> None:
        def change(head, sections):
            head["fold_version"] = 0
            sections[:] = PartitionState().packed()  # that release kept its orders somewhere else

        _rewrite(bench, change)

    return older


async def test_without_the_look_at_the_fold_version_another_releases_snapshot_is_misread_and_an_order_forks(bench, monkeypatch):
    unpacked = snapshots_module._unpacked

    def any_version(number, head, sections):
        return unpacked(number, {**head, "fold_version": snapshots_module.FOLD_VERSION}, sections)

    monkeypatch.setattr(snapshots_module, "_unpacked", any_version)

    assert await _an_order_after_a_snapshot(bench, _of_an_older_fold(bench))


async def test_with_the_look_at_the_fold_version_another_releases_snapshot_is_ignored(bench):
    assert await _an_order_after_a_snapshot(bench, _of_an_older_fold(bench)) == []


def _of_another_log(bench):
    def other() -> None:
        def change(head, _sections):
            head["last_digest"] = "0" * 64
            head["next_place"], head["last_command"] = 1, [str(bench.sent[0].id), 1]

        _rewrite(bench, change)

    return other


async def test_without_the_look_at_the_last_record_another_logs_snapshot_makes_a_command_lost(bench, monkeypatch):
    async def all_fit(_self, found):
        return set(found)

    monkeypatch.setattr(Snapshots, "_fitting", all_fit)
    monkeypatch.setattr("order_aggregate.assignment.identity_problem", lambda *_: None)  # the net behind it
    await _an_order_after_a_snapshot(bench, _of_another_log(bench))

    assert (await bench.verdict()).lost == [str(bench.sent[1].id)]


async def test_with_the_look_at_the_last_record_another_logs_snapshot_is_ignored(bench, monkeypatch):
    monkeypatch.setattr("order_aggregate.assignment.identity_problem", lambda *_: None)
    await _an_order_after_a_snapshot(bench, _of_another_log(bench))

    assert (await bench.verdict()).clean


async def _a_snapshot_of_what_was_never_acknowledged(bench, monkeypatch, *, early: bool):
    """The worker dies while its batch is on the way; the batch never arrives (FAUST.md 16)."""
    await bench.send(create(envelope=bench.order()))
    producer = LosingProducer(bench.producer, losing=1, failure=KafkaError("the process died here"))
    snapshots = Snapshots(bench.settings, every_records=1)
    worker = bench.worker(producer=producer, snapshots=snapshots)
    await worker.take_over()
    if early:
        append = CommandHandler._append

        async def snapshot_first(self, number, held, outgoing):
            held.acknowledged(next_place=1, command_offset=0, command_id=outgoing[-1].command_id, value=outgoing[-1].value)
            snapshots.take_due({number: held})
            return await append(self, number, held, outgoing)

        monkeypatch.setattr(CommandHandler, "_append", snapshot_first)
    with pytest.raises(KafkaError):
        await worker.handle(await bench.commands())
    monkeypatch.undo()
    if snapshots._writing is not None:
        await snapshots._writing


async def test_without_waiting_for_the_acknowledgement_a_snapshot_is_ahead_of_the_log_and_a_command_is_lost(bench, monkeypatch):
    """Nets off: the look at the last record, and at where the log ends."""
    await _a_snapshot_of_what_was_never_acknowledged(bench, monkeypatch, early=True)

    async def all_fit(_self, found):
        return set(found)

    async def folded(_settings, _topic, starts, _apply):
        return partition_fold.Folded(dict(starts))

    monkeypatch.setattr(Snapshots, "_fitting", all_fit)
    monkeypatch.setattr("order_aggregate.assignment.fold_partitions", folded)
    await bench.owner()

    assert len((await bench.verdict()).lost) == 1


async def test_with_waiting_for_the_acknowledgement_no_snapshot_is_written_of_it(bench, monkeypatch):
    await _a_snapshot_of_what_was_never_acknowledged(bench, monkeypatch, early=False)

    assert not bench.settings.snapshot_folder.exists()
    await bench.owner()
    assert (await bench.verdict()).clean


# Dead letters


async def _junk_whose_letter_is_refused(bench):
    await bench.write(COMMANDS, b"junk", b"k")
    worker = bench.worker(producer=LosingProducer(bench.producer, losing=1, failure=KafkaError("refused")))
    await worker.take_over()
    return await worker.handle(await bench.commands())


async def _letters(bench) -> list[bytes | None]:
    return [one.original.value async for one in read_dead_letters(bench.settings, DEAD_LETTERS) if one.place.partition == bench.number]


async def test_without_awaiting_a_dead_letter_bytes_are_passed_that_no_one_has(bench, monkeypatch):
    async def not_awaited(producer, topic, partition, _raw):
        await producer.send_batch(producer.create_batch(), topic, partition=partition)

    monkeypatch.setattr(dead_letters, "append_bytes", not_awaited)
    progress = await _junk_whose_letter_is_refused(bench)

    assert progress.done == {bench.number: 1}
    assert await _letters(bench) == []


async def test_with_awaiting_a_dead_letter_the_process_ends_and_the_next_one_keeps_the_bytes(bench):
    with pytest.raises(KafkaError, match="refused"):
        await _junk_whose_letter_is_refused(bench)
    await bench.owner()

    assert await _letters(bench) == [b"junk"]
