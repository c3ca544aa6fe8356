"""The one loop that folds: order kept, poison parked with what is behind it, others untouched."""

from typing import NamedTuple
from uuid import UUID

from infra.postgres.table_definition import TableDefinition
from infra.postgres.table_fold import fold, fold_each, keyed
from tests.support.fetched import counted_run
from tests.support.records import created, shipped

ONE, TWO = UUID(int=1), UUID(int=2)


class Row(NamedTuple):
    order_id: UUID
    versions: tuple[int, ...]


def table(*, bad_key: int | None = None, bad_fold: int | None = None) -> TableDefinition[Row]:
    """Remembers the versions of each order; can't take the record at that offset."""

    def key_of(counted):
        if counted.offset == bad_key:
            raise KeyError("no key")
        return (counted.record.order_id,)

    def evolve(row, counted):
        if counted.offset == bad_fold:
            raise ValueError("x" * 1000)
        return Row(counted.record.order_id, (*(row.versions if row else ()), counted.record.version))

    return TableDefinition("t", Row, ("order_id",), key_of, evolve)


def folded(definition, records, **more):
    rows: dict = {}
    refused = fold(definition, keyed(definition, records), get=rows.get, put=rows.__setitem__, **more)
    return {key[0]: row.versions for key, row in rows.items()}, [(one.counted.offset, one.reason) for one in refused]


LOG = counted_run([created(ONE), created(TWO), shipped(ONE), shipped(TWO), shipped(ONE, version=3)])


def test_rows_are_folded_in_order():
    assert folded(table(), LOG) == ({ONE: (1, 2, 3), TWO: (1, 2)}, [])


def test_what_raises_is_refused_with_what_is_behind_it_and_no_one_elses():
    rows, refused = folded(table(bad_fold=2), LOG)
    assert rows == {ONE: (1,), TWO: (1, 2)}
    assert [offset for offset, _ in refused] == [2, 4]
    assert refused[0][1].startswith("ValueError: xxx")
    assert len(refused[0][1]) == 500
    assert refused[1][1] is None


def test_a_key_that_can_not_be_told_is_refused_the_same_way():
    rows, refused = folded(table(bad_key=0), LOG)
    assert rows == {TWO: (1, 2)}
    assert refused == [(0, "KeyError: 'no key'"), (2, None), (4, None)]


def test_orders_that_wait_already_wait_on():
    assert folded(table(), LOG, held={TWO}) == ({ONE: (1, 2, 3)}, [(1, None), (3, None)])


def test_nothing_waits_behind_what_was_given_up():
    rows, refused = folded(table(bad_fold=2), LOG, discarded={2})
    assert rows[ONE] == (1, 3)
    assert [offset for offset, _ in refused] == [2]
    # Given up because it could not be folded; a fold that was mended takes it.
    assert folded(table(), LOG, discarded={2})[0][ONE] == (1, 2, 3)


def test_records_each_of_a_row_of_its_own_are_folded_at_once_or_not_at_all():
    assert fold_each(table(), LOG) == [Row(one.record.order_id, (one.record.version,)) for one in LOG]
    assert fold_each(table(bad_fold=2), LOG) is None
