"""The guards of the folds and of their tables, each taken out, and its twin."""

from datetime import UTC, datetime

import faust
import pytest

from infra.postgres.faust_store import PostgresStore, ProjectionTable
from projections.tables import daily_sales
from projections.tables.daily_sales import DailySales
from tests.support.fetched import counted_run
from tests.support.records import created


@pytest.fixture
def table() -> ProjectionTable:
    app = faust.App("test-tables", broker="kafka://nowhere", store="memory://", loghandlers=[])
    return ProjectionTable(app, daily_sales.TABLE)


KEY, ROW = ("day", "EUR", 0), DailySales(datetime(2026, 1, 31, tzinfo=UTC).date(), "EUR", 0)


def test_without_a_table_class_of_our_own_a_row_can_not_be_set_outside_a_stream(table, monkeypatch):
    """FAUST.md 21: a fetch is no event, so there is no current one."""
    monkeypatch.delattr(ProjectionTable, "on_key_set")

    with pytest.raises(TypeError, match="outside of stream iteration"):
        table[KEY] = ROW


def test_with_a_table_class_of_our_own_it_can(table):
    table[KEY] = ROW

    assert isinstance(table.data, PostgresStore)
    assert table.data.dirty == {KEY: ROW}


def test_without_leaving_our_tables_unregistered_faust_gives_them_a_changelog(table):
    """FAUST.md 19, 35: whatever the settings."""
    table.app.tables.add(table)

    assert table.app.tables.changelog_topics == {"test-tables-daily_sales-changelog"}
    with pytest.raises(NotImplementedError, match="must not be added"):
        table.data.apply_changelog_batch([], None, None)


def test_with_leaving_them_unregistered_there_is_none(table):
    assert table.app.tables.changelog_topics == set()


def _days(key_of):
    """The same record, folded when it came and again when its log was copied a year later."""
    (counted,) = counted_run([created()])
    later = counted._replace(timestamp_ms=counted.timestamp_ms + 365 * 24 * 3600 * 1000)
    return [key_of(one)[0] for one in (counted, later)]


def test_without_buckets_from_event_time_folding_again_gives_another_row():
    """FAUST.md 22: a window of Faust's is of the time at which a message was appended, and expires by wall time."""

    def as_a_window(counted):
        return (datetime.fromtimestamp(counted.timestamp_ms / 1000, UTC).date(),)

    first, again = _days(as_a_window)

    assert first != again


def test_with_buckets_from_event_time_it_gives_the_same():
    first, again = _days(daily_sales.key_of)

    assert first == again
