"""Where a worker goes on, and what it takes of what it is handed: each guard taken out on a real log, and its twin."""

import time

import orjson
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from event_schemas.topics import COMMANDS, DAY_MS, EVENTS
from infra.kafka.clients import new_admin
from order_aggregate import assignment, command_retention
from order_aggregate.assignment import take_over
from order_aggregate.command_retention import delete_old_commands
from order_aggregate.id_tables import IdSet
from order_aggregate.partition_state import PartitionState
from tests.support.given import cancel, create, ship


def take_whatever_comes(monkeypatch) -> None:
    """`next` taken out."""
    monkeypatch.setattr("order_aggregate.command_handler.run_from", lambda _next, records: (records, False))


async def _a_fetch_lacks_a_command(bench):
    """A rebalance drops what is queued and delivers later commands first (FAUST.md 32)."""
    order = bench.order()
    await bench.send(create(envelope=order), ship(envelope=order), cancel(envelope=order))
    worker = bench.worker()
    await worker.take_over()
    fetch = await bench.commands()
    progress = await worker.handle([fetch[0], fetch[2]])
    for start in progress.reopen.values():
        await worker.handle(await bench.commands(start))
    return progress


async def test_without_the_look_for_holes_a_dropped_command_is_lost(bench, monkeypatch):
    take_whatever_comes(monkeypatch)
    progress = await _a_fetch_lacks_a_command(bench)
    await bench.owner()  # nor does the next owner decide it: the log says that all is done

    assert (progress.done, progress.reopen) == ({bench.number: 3}, {})
    assert (await bench.verdict()).lost == [str(bench.sent[1].id)]


async def test_with_the_look_for_holes_the_partition_is_read_again_from_the_hole(bench):
    progress = await _a_fetch_lacks_a_command(bench)

    assert progress.reopen == {bench.number: 1}
    assert (await bench.verdict()).clean


async def _a_fetch_comes_again(bench):
    await bench.send(create(envelope=bench.order()), create(envelope=bench.order()))
    worker = bench.worker()
    await worker.take_over()
    await worker.handle(await bench.commands())
    await worker.handle(await bench.commands())


async def test_without_skipping_what_was_decided_a_fetch_that_comes_again_doubles_its_commands(bench, monkeypatch):
    """Nets off: the memory of the commands decided."""
    take_whatever_comes(monkeypatch)
    monkeypatch.setattr(IdSet, "add", lambda *_: True)
    await _a_fetch_comes_again(bench)

    assert len((await bench.verdict()).doubled) == 2


async def test_with_skipping_what_was_decided_a_fetch_that_comes_again_adds_nothing(bench, monkeypatch):
    monkeypatch.setattr(IdSet, "add", lambda *_: True)
    await _a_fetch_comes_again(bench)

    assert (await bench.verdict()).clean


async def _a_client_repeats_a_command(bench):
    command = create(envelope=bench.order())
    await bench.send(command, command)
    await bench.owner()


async def test_without_the_memory_of_commands_one_that_was_sent_twice_ends_twice(bench, monkeypatch):
    monkeypatch.setattr(IdSet, "add", lambda *_: True)
    await _a_client_repeats_a_command(bench)

    assert len((await bench.verdict()).doubled) == 1


async def test_with_the_memory_of_commands_one_that_was_sent_twice_ends_once(bench):
    await _a_client_repeats_a_command(bench)

    assert (await bench.verdict()).clean


async def _the_group_committed_too_far(bench, *, committed: int, trusted: bool):
    """The worker before this one died with nothing decided, after the commit had passed what it was handed."""

    async def from_the_commit(*arguments):
        taken = await take_over(*arguments)
        taken.partitions[bench.number].next_command = committed
        return taken

    await bench.send(*(create(envelope=bench.order()) for _ in range(3)))
    worker = bench.worker(taking=from_the_commit if trusted else take_over)
    await worker.take_over()
    await worker.handle(await bench.commands(worker.opened[bench.number]))


async def test_without_resume_from_the_log_commands_that_the_commit_had_passed_are_lost(bench):
    await _the_group_committed_too_far(bench, committed=2, trusted=True)

    assert len((await bench.verdict()).lost) == 2


async def test_without_resume_from_the_log_a_commit_that_lags_doubles_commands(bench, monkeypatch):
    """FAUST.md 23. Nets off: the memory of the commands decided."""
    monkeypatch.setattr(IdSet, "add", lambda *_: True)
    await _the_group_committed_too_far(bench, committed=0, trusted=False)
    await _the_group_committed_too_far(bench, committed=0, trusted=True)

    assert len((await bench.verdict()).doubled) == 3


async def test_with_resume_from_the_log_whatever_was_committed_nothing_is_lost_or_doubled(bench, monkeypatch):
    monkeypatch.setattr(IdSet, "add", lambda *_: True)
    await _the_group_committed_too_far(bench, committed=2, trusted=False)
    await _the_group_committed_too_far(bench, committed=0, trusted=False)

    assert (await bench.verdict()).clean


async def _log_of(bench, commands: int) -> None:
    """A log that was decided from another topic of commands."""
    elsewhere = PartitionState()
    for place in range(commands):
        decided = elsewhere.decide(create(envelope=bench.order()))
        assert decided is not None
        headers = [("place", b"%d" % place), ("command_offset", b"%d" % place)]
        await bench.write(EVENTS, decided.value, str(decided.record.order_id).encode(), headers)


async def test_without_the_look_at_the_last_commands_id_a_replaced_topic_loses_its_first_commands(bench, monkeypatch):
    monkeypatch.setattr(assignment, "identity_problem", _nothing_wrong)
    await _log_of(bench, 2)
    await bench.send(*(create(envelope=bench.order()) for _ in range(3)))
    await bench.owner()

    assert len((await bench.verdict()).lost) == 2


async def test_with_the_look_at_the_last_commands_id_a_replaced_topic_makes_its_partition_wait(bench):
    await _log_of(bench, 2)
    await bench.send(*(create(envelope=bench.order()) for _ in range(3)))
    owner = await bench.owner()

    assert owner.goes_on_at() is None
    assert "the topic was replaced" in str(owner.aggregate._health.detail)


async def _a_topic_that_ends_before_what_was_decided(bench):
    await _log_of(bench, 3)
    await bench.send(create(envelope=bench.order()))
    owner = await bench.owner()
    await bench.send(*(create(envelope=bench.order()) for _ in range(3)))  # the topic grows past what was decided
    if owner.goes_on_at() is not None:
        await owner.handle(await bench.commands(owner.opened[bench.number]))
    return owner


async def test_without_the_look_at_the_topics_end_a_new_topic_loses_commands_until_it_is_as_long_as_the_old(bench, monkeypatch):
    """Nets off: the look at the last command, which is not there."""
    monkeypatch.setattr(assignment, "range_problem", lambda *_: None)
    monkeypatch.setattr(assignment, "read_ranges", _nothing_read)
    await _a_topic_that_ends_before_what_was_decided(bench)

    assert (await bench.verdict()).lost == sorted(str(command.id) for command in bench.sent[:3])


async def test_with_the_look_at_the_topics_end_its_partition_waits(bench, monkeypatch):
    monkeypatch.setattr(assignment, "identity_problem", _nothing_wrong)
    owner = await _a_topic_that_ends_before_what_was_decided(bench)

    assert owner.goes_on_at() is None
    assert "everything below 3 was decided" in str(owner.aggregate._health.detail)


def _nothing_wrong(*_):
    return None


async def _nothing_read(*_):
    for nothing in ():
        yield nothing


async def test_a_last_command_of_a_later_release_makes_its_partition_wait_for_that_release(bench):
    """The release before takes over from it, in a rolling deploy that is taken back."""
    await _log_of(bench, 1)
    command = create(envelope=bench.order())
    later = orjson.dumps(orjson.loads(command.encoded()) | {"schema_version": 99})
    await bench.write(COMMANDS, later, str(command.order_id).encode())
    owner = await bench.owner()

    assert owner.goes_on_at() is None
    assert "deploy the later release" in str(owner.aggregate._health.detail)


async def _commands_were_deleted_too_early(bench):
    await bench.send(*(create(envelope=bench.order()) for _ in range(3)))
    admin = new_admin(bench.settings, "guards")
    await admin.start()
    await admin.delete_records({TopicPartition(COMMANDS, bench.number): RecordsToDelete(2)})
    await admin.close()
    worker = bench.worker()
    await worker.take_over()
    return worker


async def test_without_the_look_at_the_topics_begin_deleted_commands_are_passed_in_silence(bench, monkeypatch):
    """Nets off: the look for holes, which would read again for ever what is not there."""
    monkeypatch.setattr(assignment, "range_problem", lambda *_: None)
    take_whatever_comes(monkeypatch)
    worker = await _commands_were_deleted_too_early(bench)
    await worker.handle(await bench.commands())

    assert worker.aggregate._health.detail is None
    assert len((await bench.verdict()).lost) == 2


async def test_with_the_look_at_the_topics_begin_its_partition_waits_and_says_why(bench):
    worker = await _commands_were_deleted_too_early(bench)

    assert worker.goes_on_at() is None
    assert "deleted before they were decided" in str(worker.aggregate._health.detail)


async def _delete(bench, *, decided: int) -> None:
    """Two commands of eight days ago, one of now."""
    await bench.send(*(create(envelope=bench.order()) for _ in range(2)), timestamp_ms=int(time.time() * 1000) - 8 * DAY_MS)
    await bench.send(create(envelope=bench.order()))
    await delete_old_commands(bench.settings, {bench.number: decided})


async def test_without_keeping_what_is_not_decided_retention_loses_commands(bench, monkeypatch):
    monkeypatch.setattr(command_retention, "deletable_before", lambda *, decided, first_young, begin: first_young)
    await _delete(bench, decided=1)

    assert [record.offset for record in await bench.commands()] == [2], "the second was old, but not decided"


async def test_without_keeping_what_is_young_retention_takes_commands_that_someone_may_still_look_up(bench, monkeypatch):
    monkeypatch.setattr(command_retention, "deletable_before", lambda *, decided, first_young, begin: decided)
    await _delete(bench, decided=3)

    assert await bench.commands() == []


async def test_with_kept_only_what_is_both_decided_and_old_goes(bench):
    await _delete(bench, decided=1)

    assert [record.offset for record in await bench.commands()] == [1, 2]


async def test_with_kept_what_is_decided_but_young_stays(bench):
    await _delete(bench, decided=3)

    assert [record.offset for record in await bench.commands()] == [2]
