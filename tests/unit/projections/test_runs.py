"""What a worker may apply of what it was handed."""

import orjson

from event_schemas.recorded import Undecodable, Void
from infra.event_log.reader import first_record_digest
from projections.live.runs import run_at
from projections.store.checkpoints import Checkpoint
from tests.support.fetched import fetched, fetched_run
from tests.support.records import created


def _later_release(record) -> bytes:
    return orjson.dumps(orjson.loads(record.encoded()) | {"schema_version": 99})


def test_the_run_at_the_checkpoint_is_taken_and_moves_it():
    records = [created(), created()]
    run = run_at(Checkpoint(0, 3, 2, records[0].id, b"first"), fetched_run(records, start=3))
    assert [counted.record.id for counted in run.counted] == [record.id for record in records]
    assert run.checkpoint == Checkpoint(0, 5, 4, records[1].id, b"first")
    assert not run.hole


def test_lower_offsets_are_dropped():
    run = run_at(Checkpoint(0, 4), fetched_run([created() for _ in range(6)]))
    assert [counted.offset for counted in run.counted] == [4, 5]


def test_nothing_is_taken_from_a_hole_on():
    records = fetched_run([created() for _ in range(6)])
    run = run_at(Checkpoint(0, 0), [*records[:2], *records[3:]])
    assert [counted.offset for counted in run.counted] == [0, 1]
    assert (run.hole, run.checkpoint.next_offset) == (True, 2)


def test_what_begins_above_the_checkpoint_is_a_hole():
    run = run_at(Checkpoint(0, 0), fetched_run([created()], start=1))
    assert (run.hole, run.counted, run.checkpoint) == (True, [], Checkpoint(0, 0))


def test_void_records_and_garbage_are_passed_and_only_garbage_is_kept():
    good = created()
    run = run_at(Checkpoint(0, 0), [fetched(created(), 0, place=9), fetched(b"junk", 1), fetched(good, 2)])
    assert [counted.record.id for counted in run.counted] == [good.id]
    assert [(record.offset, record.value) for record, _ in run.undecodable] == [(1, b"junk")]
    assert [(type(one), one.offset) for one in run.passed_by] == [(Void, 0), (Undecodable, 1)]
    assert (run.checkpoint.next_offset, run.checkpoint.last_record_offset) == (3, 2)


def test_garbage_alone_moves_the_checkpoint_but_names_no_record():
    run = run_at(Checkpoint(0, 0), [fetched(b"junk", 0)])
    assert run.checkpoint == Checkpoint(0, 1, None, None, first_record_digest(b"junk"))


def test_the_first_record_is_remembered_as_the_logs_identity_has_it():
    record = created()
    run = run_at(Checkpoint(0, 0), fetched_run([record, created()]))
    assert run.checkpoint.first_record == first_record_digest(record.encoded())


def test_a_later_releases_record_ends_the_run_before_it():
    first, later = created(), created()
    key = str(later.order_id).encode()
    run = run_at(Checkpoint(0, 0), [fetched(first, 0), fetched(_later_release(later), 1, key=key), fetched(created(), 2)])
    assert [counted.record.id for counted in run.counted] == [first.id]
    assert run.checkpoint.next_offset == 1
    assert run.newer is not None
    assert "deploy the later release" in run.newer


def test_a_void_record_of_a_later_release_stops_nothing():
    run = run_at(Checkpoint(0, 0), [fetched(_later_release(created()), 0, place=5), fetched(created(), 1)])
    assert (run.newer, run.checkpoint.next_offset) == (None, 2)
