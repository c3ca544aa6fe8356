"""Which rows a release reads while the live ones are of other folds than its own."""

import pytest
from psycopg import AsyncConnection

from projections.queries.read_snapshot import ReadSnapshot, Rebuilding, open_snapshot
from projections.rebuild.promotion import Promoter
from projections.tables import daily_sales, order_details
from projections.tables.registry import FOLD_VERSION
from tests.integration.projections.conftest import FIRST
from tests.integration.projections.rebuild_kit import some_records

SECOND = "projections_2"


async def opened(stand) -> ReadSnapshot:
    async with await AsyncConnection.connect(stand.database.url) as connection:
        return await open_snapshot(connection)


def folded_by(stand, schema: str, version: int) -> None:
    stand.database.run(f"update projections.generations set fold_version = {version} where schema = '{schema}'")


async def promoted_once(stand) -> None:
    """The second generation is live, the first one was; both hold what was appended."""
    await stand.follow()
    await stand.rebuild()
    await Promoter(stand.settings, lambda _: None).promote(None, accept_differences=False)


async def test_live_rows_of_earlier_folds_are_read_as_far_as_the_columns_are_there(stand):
    await stand.append(some_records(20))
    await stand.follow()
    assert (await opened(stand)).foreign is None
    folded_by(stand, FIRST, FOLD_VERSION - 1)
    stand.database.run(f"alter table {FIRST}.daily_sales alter column units type numeric")
    stand.database.run(f"alter table {FIRST}.customer_summaries drop column units")
    stand.database.run(f"drop table {FIRST}.command_outcomes")

    snapshot = await opened(stand)

    assert (snapshot.schema, snapshot.unreadable) == (FIRST, {"daily_sales", "customer_summaries", "command_outcomes"})
    assert "`./orders projections rebuild --promote --accept-differences`" in str(snapshot.foreign)
    assert FIRST in snapshot.on("select {columns} from {table}", order_details.TABLE).as_string(None)
    with pytest.raises(Rebuilding, match=r"daily_sales lacks columns .* rebuild --promote"):
        snapshot.on("select {columns} from {table}", daily_sales.TABLE)


async def test_rows_of_later_folds_are_not_read_but_those_that_were_live_before_are(stand):
    await stand.append(some_records(20))
    await promoted_once(stand)
    folded_by(stand, SECOND, FOLD_VERSION + 1)

    snapshot = await opened(stand)

    assert (snapshot.schema, snapshot.unreadable) == (FIRST, frozenset())
    assert f"deploy the release that folds version {FOLD_VERSION + 1}" in str(snapshot.foreign)
    folded_by(stand, FIRST, FOLD_VERSION - 1)
    with pytest.raises(Rebuilding, match=f"deploy the release that folds version {FOLD_VERSION + 1}"):
        await opened(stand)


async def test_of_earlier_live_rows_and_own_ones_that_were_live_before_those_that_hold_more_are_read(stand):
    records = some_records(40)
    await stand.append(records[:20])
    await promoted_once(stand)
    folded_by(stand, SECOND, FOLD_VERSION - 1)
    assert (await opened(stand)).schema == FIRST, "as far as the live ones, and of this release's folds"
    folded_by(stand, SECOND, FOLD_VERSION)
    await stand.append(records[20:])
    await stand.follow()
    folded_by(stand, SECOND, FOLD_VERSION - 1)
    assert (await opened(stand)).schema == SECOND


async def test_the_newest_ready_generation_of_these_folds_is_promoted_whatever_other_releases_left(stand):
    await stand.append(some_records(20))
    await stand.follow()
    await stand.rebuild()
    await stand.rebuild()
    folded_by(stand, "projections_3", FOLD_VERSION + 1)
    assert (await Promoter(stand.settings, lambda _: None).promote(None, accept_differences=False)).to_schema == SECOND


async def test_rows_of_another_log_are_not_read_however_much_they_hold(stand):
    await stand.append(some_records(20))
    await promoted_once(stand)
    folded_by(stand, SECOND, FOLD_VERSION + 1)
    stand.database.run(f"update {FIRST}.checkpoints set first_record = 'other', next_offset = next_offset + 1000000")
    with pytest.raises(Rebuilding):
        await opened(stand)
